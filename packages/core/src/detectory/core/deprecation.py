"""Announcement of public names that a later version removes; docs/releasing.md states the policy."""

import functools
import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")


def deprecated(since: str, removed_in: str, instead: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Return a decorator for a function that a later version removes.

    Each call warns with a `FutureWarning`, which Python shows to users by default, at the line of the caller. The
    message states the versions and the replacement.

    Args:
        since: Version of the package that announces the removal, such as "0.3".
        removed_in: First version without the function; two minor versions after `since` or later.
        instead: What to use now, such as "`Boxes.area`".

    Examples:
        >>> @deprecated(since="0.3", removed_in="0.5", instead="`Boxes.area`")
        ... def box_area(boxes): ...
    """

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        name = f"{function.__module__}.{function.__qualname__}"
        message = f"{name} is deprecated since {since} and will be removed in {removed_in}. Use {instead} instead"

        @functools.wraps(function)
        def warned(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            warnings.warn(message, FutureWarning, stacklevel=2)
            return function(*args, **kwargs)

        return warned

    return decorate
