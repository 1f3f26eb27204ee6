"""Checks of argument names against the signature of a call's target."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from detectory.core.suggestions import nearest

CALL_KEYS = ("_target_", "_recursive_")


def _parameters(target: Callable[..., Any]) -> list[inspect.Parameter] | None:
    try:
        return list(inspect.signature(target).parameters.values())
    except (ValueError, TypeError):  # some built-in types have no signature
        return None


def named_arguments(target: Callable[..., Any]) -> list[str]:
    """Return the keyword arguments that the signature of `target` names; empty without a signature."""
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [parameter.name for parameter in _parameters(target) or [] if parameter.kind in by_name]


def accepted_arguments(target: Callable[..., Any]) -> list[str] | None:
    """Return the names of the keyword arguments of `target`, or None if it accepts any or has no signature."""
    parameters = _parameters(target)
    if parameters is None or any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return named_arguments(target)


def check_argument_names(target: Callable[..., Any], names: Iterable[str], where: str) -> None:
    """Raise a TypeError prefixed with `where` if `target` does not accept one of the `names`."""
    accepted = accepted_arguments(target)
    if accepted is None:
        return
    for name in names:
        if name not in accepted and name not in CALL_KEYS:
            shown = getattr(target, "__qualname__", repr(target))
            raise TypeError(f"{where}: {shown} has no argument '{name}': {nearest(name, accepted)}")
