"""Presence of Detectron2's modules, names and documented signatures."""

import importlib
import inspect
import json
from pathlib import Path

import pytest

from detectory.compat.detectron2._projects import SUBMODULES

GOLDEN = Path(__file__).parents[1] / "golden"
PATHS = json.loads((GOLDEN / "compat_module_paths.json").read_text())
DOCUMENTED = json.loads((GOLDEN / "compat_api_inventory.json").read_text())


def missing_names(module, names):
    try:
        imported = importlib.import_module(f"detectory.compat.{module}")
    except ModuleNotFoundError as error:
        if not str(error.name).startswith("detectory.compat"):
            raise
        return sorted(names)
    return [name for name in names if not _has(imported, module, name)]


def _has(imported, module, name):
    if hasattr(imported, name):
        return True
    try:
        importlib.import_module(f"detectory.compat.{module}.{name}")
    except ModuleNotFoundError:
        return False
    return True


def parameters_of(obj):
    try:
        parameters = inspect.signature(obj).parameters.values()
    except ValueError:  # exceptions and some built-in types have no signature
        return None
    if any(p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) for p in parameters):
        return None
    return {p.name for p in parameters}


def belongs_to_missing_project(name):
    """Return whether a module, or a name in a module, is one of a project that is not installed."""
    aliases = [alias for alias, project in SUBMODULES.items() if not project.is_installed()]
    return f"detectory.compat.{name}".startswith(tuple(aliases))


@pytest.mark.parametrize("module", sorted(PATHS))
def test_module_has_detectron2s_names(module):
    if belongs_to_missing_project(module):
        pytest.skip("needs the distribution of the project")
    names = [name for name in sorted(PATHS[module]) if not belongs_to_missing_project(f"{module}.{name}")]
    assert missing_names(module, names) == []


@pytest.mark.parametrize("entry", DOCUMENTED, ids=lambda entry: f"{entry['module']}.{entry['name']}")
def test_documented_symbol_has_the_documented_parameters_and_methods(entry):
    imported = getattr(importlib.import_module(f"detectory.compat.{entry['module']}"), entry["name"])
    accepted = parameters_of(imported) if "params" in entry and callable(imported) else None
    missing = (
        []
        if accepted is None
        else [name for name in entry["params"] if name not in {*accepted, "args", "kwargs", "kwds"}]
    )
    missing += [name for name in entry.get("methods", []) if not hasattr(imported, name)]
    assert missing == []
