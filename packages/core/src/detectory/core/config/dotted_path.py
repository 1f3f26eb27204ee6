"""Objects and their dotted paths: `torch.nn.Conv2d` names a class, `package.module.Class.method` a method."""

import importlib
from collections.abc import Callable
from typing import Any

from detectory.core.suggestions import nearest


def locate(path: str) -> Any:
    """Import and return the object that the dotted `path` names.

    Raises:
        ImportError: no module or attribute of that name exists; the message lists the nearest names where the
            search stopped. An error inside an imported module is passed on as it is.
    """
    parts = path.split(".")
    if not all(part.isidentifier() for part in parts):
        raise ImportError(f"locate: '{path}' is not a dotted path such as 'package.module.Class'")
    found: Any = None
    for position, part in enumerate(parts):
        prefix = ".".join(parts[: position + 1])
        if position and hasattr(found, part):
            found = getattr(found, part)
            continue
        try:
            found = importlib.import_module(prefix)
        except ModuleNotFoundError as error:
            # A module that exists but imports something missing is another fault than a misspelt path.
            missing = error.name or ""
            if missing != prefix and not prefix.startswith(f"{missing}."):
                raise
            raise ImportError(f"locate: cannot find '{part}' of '{path}': {_candidates(part, found)}") from error
    return found


def dotted_path(target: Callable[..., Any]) -> str:
    """Return the dotted path of a class, function or method: the shortest one that `locate` finds again.

    `torch.nn.modules.conv.Conv2d` stays as it is defined: shortening is only tried where the last module of the
    path is private (starts with an underscore).

    Raises:
        TypeError: the object has no module and qualified name (an instance, a `functools.partial`).
    """
    module, qualname = getattr(target, "__module__", None), getattr(target, "__qualname__", None)
    if module is None or qualname is None:
        raise TypeError(f"dotted_path: {target!r} has no dotted path; it needs __module__ and __qualname__")
    parts = module.split(".")
    while len(parts) > 1 and parts[-1].startswith("_"):
        parts.pop()
        shorter = ".".join([*parts, qualname])
        if _leads_to(shorter, target):
            return shorter
    return f"{module}.{qualname}"


def path_of(target: Any) -> str | None:
    """Return the dotted path that leads back to `target`; None for lambdas, local functions and instances."""
    try:
        path = dotted_path(target)
    except TypeError:
        return None
    return path if _leads_to(path, target) else None


def _leads_to(path: str, target: Any) -> bool:
    try:
        found = locate(path)
    except ImportError:
        return False
    # Bound methods are made anew at each access, so that they are equal but never the same object.
    return found is target or found == target


def _candidates(part: str, found: Any) -> str:
    if found is None:
        return f"no module '{part}' is installed"
    return nearest(part, [name for name in dir(found) if not name.startswith("_")])
