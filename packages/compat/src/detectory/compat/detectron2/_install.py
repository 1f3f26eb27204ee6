"""Import hook that resolves `import detectron2` to this package, in this process and in its children."""

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

from detectory.compat.detectron2._aliases import AliasFinder, bind_submodules
from detectory.compat.detectron2._imported_names import add_imported_names
from detectory.compat.detectron2._projects import TOP_LEVEL, ProjectFinder

# Top-level names and the packages they resolve to. fvcore and yacs are left alone if they are installed; detectron2
# is always replaced because the caller of install() requested it.
_ALIASES = {
    "detectron2": "detectory.compat.detectron2",
    "fvcore": "detectory.compat.fvcore",
    "yacs": "detectory.compat.yacs",
}
# One folder per name, with a package that calls install() and the metadata of a distribution.
_STAND_INS = Path(__file__).resolve().parents[1] / "stand_ins"


def imported_as(module: str) -> str:
    """Return the name under which unchanged programs import a module; before `install`, its own name."""
    if not _is_installed():
        return module
    package = _ALIASES["detectron2"]
    is_ours = module == package or module.startswith(f"{package}.")
    return f"detectron2{module.removeprefix(package)}" if is_ours else module


def install() -> None:
    """Make `import detectron2` and its submodules resolve to `detectory.compat.detectron2`.

    `fvcore` and `yacs` resolve to their counterparts in this package unless they are installed, and `densepose`,
    `point_rend`, `point_sup`, `tensormask` and `tridentnet` to the distributions of these projects. Both names refer to
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
    sys.meta_path.insert(0, AliasFinder(aliases))
    sys.meta_path.append(ProjectFinder(TOP_LEVEL))  # last, so that a program's own copy of a project is used
    for alias, target in aliases.items():
        _add_stand_in(alias)
        if _is_stand_in(sys.modules.get(alias)):
            sys.modules[alias] = importlib.import_module(target)
            bind_submodules(alias, target)
        if target in sys.modules:
            add_imported_names(alias, sys.modules[target])


def stand_in_folders() -> list[str]:
    """Return the `sys.path` entries with which a program resolves the names without calling `install`."""
    return [str(_STAND_INS / name) for name in _missing_aliases()]


def _is_installed() -> bool:
    return any(isinstance(finder, AliasFinder) for finder in sys.meta_path)


def _missing_aliases() -> dict[str, str]:
    return {name: target for name, target in _ALIASES.items() if name == "detectron2" or not _is_importable(name)}


def _is_importable(name: str) -> bool:
    module = sys.modules.get(name)
    spec = importlib.util.find_spec(name) if module is None else module.__spec__
    return spec is not None and not (spec.origin and _STAND_INS in Path(spec.origin).parents)


def _is_stand_in(module: ModuleType | None) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and _STAND_INS in Path(file).parents


def _add_stand_in(name: str) -> None:
    """Make child processes find the stand-in: spawned ones inherit `sys.path`, other interpreters `PYTHONPATH`."""
    folder = str(_STAND_INS / name)
    if folder not in sys.path:
        sys.path.insert(1, folder)  # behind the folder of the script, before installed packages
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if folder not in inherited:
        os.environ["PYTHONPATH"] = os.pathsep.join([entry for entry in inherited if entry] + [folder])
