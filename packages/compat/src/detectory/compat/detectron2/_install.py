"""Import hook that resolves `import detectron2` to this package, in this process and in its children."""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from detectory.compat.detectron2._imported_names import add_imported_names

# Top-level names and the packages they resolve to. fvcore and yacs are left alone if they are installed; detectron2
# is always replaced because the caller of install() requested it.
_ALIASES = {
    "detectron2": "detectory.compat.detectron2",
    "fvcore": "detectory.compat.fvcore",
    "yacs": "detectory.compat.yacs",
}
# One folder per name, with a package that calls install() and the metadata of a distribution.
_STAND_INS = Path(__file__).resolve().parents[1] / "stand_ins"


class _AliasLoader(importlib.abc.Loader):
    """Loader that returns an already importable module under a second name."""

    def __init__(self, alias: str, target: str) -> None:
        self._alias = alias
        self._target = target

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._target)
        # The import system overwrites the module's __spec__ with that of the alias, so the loader keeps the original.
        self._own = module.__spec__, module.__loader__, module.__package__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__, module.__loader__, module.__package__ = self._own
        add_imported_names(self._alias, module)
        _bind(self._alias, self._target)


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
        alias = importlib.machinery.ModuleSpec(fullname, _AliasLoader(fullname, name), origin=spec.origin)
        alias.submodule_search_locations = spec.submodule_search_locations
        return alias


def imported_as(module: str) -> str:
    """Return the name under which unchanged programs import a module; before `install`, its own name."""
    if not _is_installed():
        return module
    package = _ALIASES["detectron2"]
    is_ours = module == package or module.startswith(f"{package}.")
    return f"detectron2{module.removeprefix(package)}" if is_ours else module


def install() -> None:
    """Make `import detectron2` and its submodules resolve to `detectory.compat.detectron2`.

    `fvcore` and `yacs` resolve to their counterparts in this package unless they are installed. Both names refer to
    the same objects. Child processes inherit the names through `sys.path` and `PYTHONPATH`, and
    `importlib.metadata` reports version 0.6 of `detectron2`. Repeated calls have no effect.

    Raises:
        RuntimeError: If another `detectron2` has already been imported.
    """
    imported = sys.modules.get("detectron2")
    ours = importlib.import_module(_ALIASES["detectron2"])
    if imported not in (None, ours) and not _is_stand_in(imported):
        raise RuntimeError(f"install: another detectron2 has already been imported from {imported.__file__}")
    if _is_installed():
        return
    aliases = _missing_aliases()
    sys.meta_path.insert(0, _AliasFinder(aliases))
    for alias, target in aliases.items():
        _add_stand_in(alias)
        if _is_stand_in(sys.modules.get(alias)):
            sys.modules[alias] = importlib.import_module(target)
            _bind(alias, target)
        if target in sys.modules:
            add_imported_names(alias, sys.modules[target])


def stand_in_folders() -> list[str]:
    """Return the `sys.path` entries with which a program resolves the names without calling `install`."""
    return [str(_STAND_INS / name) for name in _missing_aliases()]


def _is_installed() -> bool:
    return any(isinstance(finder, _AliasFinder) for finder in sys.meta_path)


def _missing_aliases() -> dict[str, str]:
    return {name: target for name, target in _ALIASES.items() if name == "detectron2" or not _is_importable(name)}


def _is_importable(name: str) -> bool:
    module = sys.modules.get(name)
    spec = importlib.util.find_spec(name) if module is None else module.__spec__
    return spec is not None and not (spec.origin and _STAND_INS in Path(spec.origin).parents)


def _is_stand_in(module: ModuleType | None) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and _STAND_INS in Path(file).parents


def _bind(alias: str, target: str) -> None:
    """Register all loaded submodules of a package under the alias.

    A first import through the alias would otherwise set each submodule as an attribute of its parent and thereby
    replace a function of the same name, such as `layers.nms`.
    """
    for name, module in list(sys.modules.items()):
        if name.startswith(f"{target}."):
            known_as = alias + name.removeprefix(target)
            sys.modules.setdefault(known_as, module)
            add_imported_names(known_as, module)


def _add_stand_in(name: str) -> None:
    """Make child processes find the stand-in: spawned ones inherit `sys.path`, other interpreters `PYTHONPATH`."""
    folder = str(_STAND_INS / name)
    if folder not in sys.path:
        sys.path.insert(1, folder)  # behind the folder of the script, before installed packages
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if folder not in inherited:
        os.environ["PYTHONPATH"] = os.pathsep.join([entry for entry in inherited if entry] + [folder])
