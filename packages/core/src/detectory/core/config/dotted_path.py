"""Conversion between objects and dotted paths such as `torch.nn.Conv2d` or `package.module.Class.method`."""

import importlib
from collections.abc import Callable
from typing import Any

from detectory.core.suggestions import nearest


def locate(path: str) -> Any:
    """Import and return the object that a dotted path names.

    If a module does not exist but its package exports the next name, the exported object is returned, so that the
    configs of earlier runs remain readable after a module was renamed inside its package.

    Raises:
        ImportError: If the module or attribute does not exist; the message lists the most similar names. Errors
            raised inside an imported module are propagated unchanged.
    """
    parts = path.split(".")
    if not all(part.isidentifier() for part in parts):
        raise ImportError(f"locate: '{path}' is not a dotted path such as 'package.module.Class'")
    resolved: Any = None
    renamed = False
    for position, part in enumerate(parts):
        if renamed and not hasattr(resolved, part):
            continue
        renamed = False
        prefix = ".".join(parts[: position + 1])
        if position and hasattr(resolved, part):
            resolved = getattr(resolved, part)
            continue
        try:
            resolved = importlib.import_module(prefix)
        except ModuleNotFoundError as error:
            # A module that exists but fails to import its own dependency is a different error than a misspelt path.
            missing = error.name or ""
            if missing != prefix and not prefix.startswith(f"{missing}."):
                raise
            if any(name in getattr(resolved, "__all__", ()) for name in parts[position + 1 :]):
                renamed = True
                continue
            raise ImportError(f"locate: cannot resolve '{part}' in '{path}': {_candidates(part, resolved)}") from error
    return resolved


def dotted_path(target: Callable[..., Any]) -> str:
    """Return the dotted path of a class, function or method: the shortest one that `locate` resolves to it.

    A path is shortened only if its last module is private (starts with an underscore):
    `torch.nn.modules.conv.Conv2d` is returned as it is.

    Raises:
        TypeError: If the object has no module or qualified name, as with an instance or a `functools.partial`.
    """
    module, qualname = getattr(target, "__module__", None), getattr(target, "__qualname__", None)
    if module is None or qualname is None:
        raise TypeError(f"dotted_path: {target!r} has no __module__ and __qualname__, so it has no dotted path")
    parts = module.split(".")
    while len(parts) > 1 and parts[-1].startswith("_"):
        parts.pop()
        shorter = ".".join([*parts, qualname])
        if _resolves_to(shorter, target):
            return shorter
    return f"{module}.{qualname}"


def path_of(target: Any) -> str | None:
    """Return the dotted path of `target`, or None for lambdas, local functions and instances."""
    try:
        path = dotted_path(target)
    except TypeError:
        return None
    return path if _resolves_to(path, target) else None


def _resolves_to(path: str, target: Any) -> bool:
    try:
        resolved = locate(path)
    except ImportError:
        return False
    # Accessing a bound method creates a new object each time, so bound methods are equal but not identical.
    return resolved is target or resolved == target


def _candidates(part: str, resolved: Any) -> str:
    if resolved is None:
        return f"module '{part}' is not installed"
    return nearest(part, [name for name in dir(resolved) if not name.startswith("_")])
