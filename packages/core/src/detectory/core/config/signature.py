"""Checks of argument names against the signature of what a config node calls."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from detectory.core.suggestions import nearest

CALL_KEYS = ("_target_", "_recursive_")


def accepted_arguments(target: Callable[..., Any]) -> list[str] | None:
    """Return the names that `target` takes as keyword arguments, or None when it takes any or cannot be asked."""
    try:
        parameters = inspect.signature(target).parameters.values()
    except (ValueError, TypeError):  # some built-in types have no signature
        return None
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [parameter.name for parameter in parameters if parameter.kind in by_name]


def check_argument_names(target: Callable[..., Any], names: Iterable[str], where: str) -> None:
    """Raise a TypeError that starts with `where` when `target` has no argument of one of the `names`."""
    accepted = accepted_arguments(target)
    if accepted is None:
        return
    for name in names:
        if name not in accepted and name not in CALL_KEYS:
            shown = getattr(target, "__qualname__", repr(target))
            raise TypeError(f"{where}: {shown} has no argument '{name}': {nearest(name, accepted)}")
