"""`import detectron2` made to resolve to this package."""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType

# The names that other programs import, and where they are here. Packages that are installed keep their names, but
# detectron2 is what install() is asked to replace.
_ALIASES = {
    "detectron2": "detectory.compat.detectron2",
    "fvcore": "detectory.compat.fvcore",
    "yacs": "detectory.compat.yacs",
}


class _AliasLoader(importlib.abc.Loader):
    """Hands out a module that is imported under another name."""

    def __init__(self, target: str) -> None:
        self._target = target

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._target)
        # The import system writes the spec of the alias into the module; the module's own stays with the loader.
        self._own = module.__spec__, module.__loader__, module.__package__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__, module.__loader__, module.__package__ = self._own


class _AliasFinder(importlib.abc.MetaPathFinder):
    """Finds `<alias>.x.y` as `<target>.x.y`: the same module object under both names."""

    def __init__(self, aliases: dict[str, str]) -> None:
        self.aliases = aliases

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        del path, target
        root, dot, rest = fullname.partition(".")
        if root not in self.aliases:
            return None
        name = f"{self.aliases[root]}{dot}{rest}"
        found = importlib.util.find_spec(name)
        if found is None:
            return None
        is_package = found.submodule_search_locations is not None
        return importlib.util.spec_from_loader(fullname, _AliasLoader(name), is_package=is_package)


def imported_as(module: str) -> str:
    """Return the name by which unchanged programs import a module of this package; before `install`, its own."""
    if not any(isinstance(finder, _AliasFinder) for finder in sys.meta_path):
        return module
    own = _ALIASES["detectron2"]
    return f"detectron2{module.removeprefix(own)}" if module == own or module.startswith(f"{own}.") else module


def install() -> None:
    """Let `import detectron2`, and all below it, resolve to `detectory.compat.detectron2`.

    `fvcore` and `yacs` resolve to their parts here too, where they are not installed. Objects are the same under
    both names. Calling it again changes nothing.

    Raises:
        RuntimeError: another `detectron2` was imported before.
    """
    imported = sys.modules.get("detectron2")
    ours = importlib.import_module(_ALIASES["detectron2"])
    if imported not in (None, ours):
        raise RuntimeError(f"install: another detectron2 is imported already: {imported.__file__}")
    if any(isinstance(finder, _AliasFinder) for finder in sys.meta_path):
        return
    aliases = {
        name: target
        for name, target in _ALIASES.items()
        if name == "detectron2" or importlib.util.find_spec(name) is None
    }
    sys.meta_path.insert(0, _AliasFinder(aliases))
