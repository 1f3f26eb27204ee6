"""Seeds and library versions, under Detectron2's module path."""

import importlib
import importlib.util
import os
import sys
from types import ModuleType

import torch

from detectory.core.seeding import seed_all_rng

__all__ = [
    "DOC_BUILDING",
    "TORCH_VERSION",
    "fixup_module_metadata",
    "seed_all_rng",
    "setup_custom_environment",
    "setup_environment",
]

TORCH_VERSION = tuple(int(part) for part in torch.__version__.split(".")[:2])

DOC_BUILDING = os.environ.get("DOC_BUILDING") is not None

_done: list[bool] = []


def setup_environment() -> None:
    """Run `setup_environment` of the module named by `$DETECTRON2_ENV_MODULE`, once per process."""
    custom = os.environ.get("DETECTRON2_ENV_MODULE")
    if custom and not _done:
        setup_custom_environment(custom)
    _done.append(True)


def _import_file(module_name: str, file_path: str, make_importable: bool = False) -> ModuleType:
    """Execute a Python file as a module.

    Args:
        module_name: Name of the module.
        file_path: Path of the file.
        make_importable: Add the module to `sys.modules`.

    Raises:
        ImportError: If the file is not a Python module.
    """
    spec = importlib.util.spec_from_file_location(module_name, file_path)
    if spec is None or spec.loader is None:
        raise ImportError(f"_import_file: cannot load {file_path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if make_importable:
        sys.modules[module_name] = module
    return module


def setup_custom_environment(custom_module: str) -> None:
    """Import a module by name or path and run its function `setup_environment`.

    Raises:
        ImportError: If the module cannot be imported or has no such function.
    """
    if custom_module.endswith(".py"):
        module = _import_file("detectron2.utils.env.custom_module", custom_module)
    else:
        module = importlib.import_module(custom_module)
    if not callable(getattr(module, "setup_environment", None)):
        raise ImportError(f"setup_custom_environment: {custom_module} has no function setup_environment")
    module.setup_environment()


def fixup_module_metadata(module_name: str, namespace: dict[str, object], keys: list[str] | None = None) -> None:
    """Set `__module__` of a namespace's public objects to `module_name`.

    Args:
        module_name: The public module.
        namespace: Namespace of the module.
        keys: Names to change; by default all without a leading underscore.
    """
    seen: set[int] = set()
    for name in [key for key in namespace if not key.startswith("_")] if keys is None else keys:
        _fix(f"{module_name}.{name}", name, namespace[name], module_name, seen)


def _fix(full_name: str, name: str, obj: object, module_name: str, seen: set[int]) -> None:
    module = getattr(obj, "__module__", None)
    if id(obj) in seen or isinstance(obj, ModuleType) or not str(module).startswith(module_name.split(".")[0]):
        return
    seen.add(id(obj))
    if module in sys.modules and hasattr(obj, "__qualname__"):
        obj.__module__ = module_name
    if isinstance(obj, type):
        obj.__qualname__ = name
        for child_name, child in vars(obj).items():
            if callable(child):
                _fix(f"{full_name}.{child_name}", f"{name}.{child_name}", child, module_name, seen)
