"""Registries and objects located by dotted path."""

import sys
from typing import Any

from detectory.compat.detectron2 import _install
from detectory.core import config as native
from detectory.core.config import dotted_path
from detectory.core.registry import Registry

__all__ = ["Registry", "locate"]

_OURS = "detectory.compat.detectron2"


def locate(name: str) -> Any:
    """Return the object with a dotted path; see `detectory.core.config.locate`."""
    return native.locate(name)


def _convert_target_to_string(t: Any) -> str:
    """Return the shortest dotted path by which `locate` finds `t`, preferring Detectron2's module paths."""
    path = dotted_path(t)
    if not path.startswith("detectory."):
        return path
    name = path.rpartition(".")[2]
    modules = [module for module in sys.modules if module.startswith(f"{_OURS}.")]
    for module in sorted(modules, key=lambda module: (module.count("."), module)):
        if vars(sys.modules[module]).get(name) is t:
            return f"{_install.imported_as(module)}.{name}"
    return path
