"""Import hook that resolves `import detectron2` to this package."""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType

# Top-level names and the packages they resolve to. fvcore and yacs are left alone if they are installed; detectron2
# is always replaced because the caller of install() requested it.
_ALIASES = {
    "detectron2": "detectory.compat.detectron2",
    "fvcore": "detectory.compat.fvcore",
    "yacs": "detectory.compat.yacs",
}


class _AliasLoader(importlib.abc.Loader):
    """Loader that returns an already importable module under a second name."""

    def __init__(self, target: str) -> None:
        self._target = target

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._target)
        # The import system overwrites the module's __spec__ with that of the alias, so the loader keeps the original.
        self._own = module.__spec__, module.__loader__, module.__package__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__, module.__loader__, module.__package__ = self._own


class _AliasFinder(importlib.abc.MetaPathFinder):
    """Finder that maps `<alias>.x.y` to `<target>.x.y`, the same module object under both names."""

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
        spec = importlib.util.find_spec(name)
        if spec is None:
            return None
        is_package = spec.submodule_search_locations is not None
        return importlib.util.spec_from_loader(fullname, _AliasLoader(name), is_package=is_package)


def imported_as(module: str) -> str:
    """Return the name under which unchanged programs import a module; before `install`, its own name."""
    if not any(isinstance(finder, _AliasFinder) for finder in sys.meta_path):
        return module
    package = _ALIASES["detectron2"]
    return (
        f"detectron2{module.removeprefix(package)}" if module == package or module.startswith(f"{package}.") else module
    )


def install() -> None:
    """Make `import detectron2` and its submodules resolve to `detectory.compat.detectron2`.

    `fvcore` and `yacs` resolve to their counterparts in this package unless they are installed. Both names refer to
    the same objects. Repeated calls have no effect.

    Raises:
        RuntimeError: If another `detectron2` has already been imported.
    """
    imported = sys.modules.get("detectron2")
    ours = importlib.import_module(_ALIASES["detectron2"])
    if imported not in (None, ours):
        raise RuntimeError(f"install: another detectron2 has already been imported from {imported.__file__}")
    if any(isinstance(finder, _AliasFinder) for finder in sys.meta_path):
        return
    aliases = {
        name: target
        for name, target in _ALIASES.items()
        if name == "detectron2" or importlib.util.find_spec(name) is None
    }
    sys.meta_path.insert(0, _AliasFinder(aliases))
