"""Names that Detectron2's modules import from elsewhere, so that programs can import them from there as well.

Programs contain lines such as `from detectron2.modeling.poolers import cat` or `from detectron2.data.dataset_mapper
import *`, although the names are defined in other modules. `imported_names.json` lists the names that the modules of
this package do not import as well: `{module: {origin: [names]}}`, with an empty origin for modules. The entry `"*"`
marks modules without `__all__`, from which a star import takes all names.
"""

import functools
import importlib
import json
import logging
from collections.abc import Callable
from importlib import resources
from types import ModuleType
from typing import Any

# Not requirements of the package: such names are imported on request, and not by star imports.
_OPTIONAL = ("cv2", "matplotlib", "pandas", "pydot", "scipy", "tabulate", "termcolor", "tqdm")


@functools.cache
def _origins() -> dict[str, dict[str, list[str]]]:
    return json.loads((resources.files(__package__) / "imported_names.json").read_text(encoding="utf-8"))


def add_imported_names(alias: str, module: ModuleType) -> None:
    """Make a module of this package resolve the names that Detectron2's module `alias` imports."""
    origins = _origins().get(alias)
    if origins is None or "_names_of_imports" in vars(module):
        return
    names: dict[str, tuple[str, str]] = {}
    for origin, entries in origins.items():
        for entry in entries:
            name, _, renamed = entry.partition(" as ")
            names[renamed or name.partition(".")[0]] = (origin, name)
    attributes = vars(module)
    attributes["_names_of_imports"] = names
    attributes["__getattr__"] = functools.partial(_get, alias, names, attributes.get("__getattr__"))
    if "*" in origins and "__all__" in attributes:
        public = [name for name in names if not name.startswith("_") and not _is_optional(*names[name])]
        listed = attributes["__all__"]
        attributes["__all__"] = [*listed, *(name for name in public if name not in listed)]


def _is_optional(origin: str, name: str) -> bool:
    return (origin or name).partition(".")[0] in _OPTIONAL


def _get(alias: str, names: dict[str, tuple[str, str]], own: Callable[[str], Any] | None, name: str) -> Any:
    """Resolve a missing attribute of a module."""
    if name not in names:
        if own is not None:
            return own(name)
        raise AttributeError(f"module {alias!r} has no attribute {name!r}")
    origin, original = names[name]
    if name == "logger":
        return logging.getLogger(alias)
    if (origin or original).partition(".")[0] in ("detectron2", "fvcore"):  # also without `install`
        origin, original = (f"detectory.compat.{origin}", original) if origin else ("", f"detectory.compat.{original}")
    try:
        if not origin:
            return importlib.import_module(original)
        found = importlib.import_module(origin)
        return getattr(found, original) if hasattr(found, original) else importlib.import_module(f"{origin}.{original}")
    except ModuleNotFoundError as error:
        raise AttributeError(f"module {alias!r} has no attribute {name!r}: {error}") from error
