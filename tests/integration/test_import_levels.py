"""Every package imports and requires only the sibling packages that docs/design.md allows."""

import ast
import re
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ROOT / "packages"

BELOW_COMPAT = "core ops structures data modeling visualization zoo evaluation engine export"
SIBLINGS = {
    "core": "",
    "ops": "",
    "structures": "ops",
    "data": "core structures",
    "modeling": "core ops structures",
    "visualization": "structures",
    "zoo": "core structures modeling",
    "evaluation": "core ops structures data visualization",
    "engine": "core structures data modeling evaluation visualization zoo",
    "export": "core ops structures data modeling evaluation engine",
    "compat": BELOW_COMPAT,
    "cli": f"{BELOW_COMPAT} compat",
}
NAMES = [name for name in SIBLINGS if (PACKAGES / name / "pyproject.toml").exists()]


def imported_modules(folder: Path) -> dict[str, str]:
    """Map each `detectory` module imported by a package, also inside functions, to the location of one such import."""
    found: dict[str, str] = {}
    for path in (folder / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                modules = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            for module in modules:
                if module.startswith("detectory."):
                    found.setdefault(module, f"{path}:{node.lineno}")
    return found


def imported_siblings(package: str) -> dict[str, str]:
    """Map each sibling imported by a package to the location of one such import."""
    found: dict[str, str] = {}
    for module, location in imported_modules(PACKAGES / package).items():
        found.setdefault(module.split(".")[1], location)
    found.pop(package, None)
    return found


def declared(folder: Path, extra: str | None = None) -> set[str]:
    """Return the distributions of this repository that a package requires, without the prefix `detectory-`."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = project["dependencies"] if extra is None else project.get("optional-dependencies", {}).get(extra, [])
    return {match[1].replace("-", "_") for line in lines if (match := re.match(r"detectory-([\w-]+)", line))}


def test_every_package_has_a_row():
    assert {path.parent.name for path in PACKAGES.glob("*/pyproject.toml")} <= set(SIBLINGS)


@pytest.mark.parametrize("package", NAMES)
def test_imports_only_the_siblings_of_its_row(package):
    allowed = set(SIBLINGS[package].split())
    assert {name: location for name, location in imported_siblings(package).items() if name not in allowed} == {}


@pytest.mark.parametrize("package", NAMES)
def test_requires_exactly_the_siblings_of_its_row(package):
    assert declared(PACKAGES / package) == set(SIBLINGS[package].split())


@pytest.mark.parametrize("package", NAMES)
def test_namespace_package_has_no_init_file(package):
    assert not (PACKAGES / package / "src" / "detectory" / "__init__.py").exists()


PROJECTS = sorted(path.parent for path in (ROOT / "projects").glob("*/pyproject.toml"))


def distribution_of(module: str) -> str:
    """Return the distribution of a `detectory` module without its prefix."""
    parts = module.split(".")
    return parts[2] if parts[1] == "projects" else parts[1]


@pytest.mark.parametrize("folder", PROJECTS, ids=lambda folder: folder.name)
def test_projects_require_exactly_what_they_import(folder):
    parts = {True: set(), False: set()}
    for module, location in imported_modules(folder).items():
        in_adapter = "detectron2" in Path(location.rpartition(":")[0]).relative_to(folder).parts
        parts[in_adapter].add(distribution_of(module))
    library = parts[False] - {folder.name}
    assert declared(folder) == library
    assert "compat" not in library
    assert parts[True] - library - {folder.name} == declared(folder, "detectron2") - library


def test_packages_do_not_import_projects():
    assert [name for name in NAMES if "projects" in imported_siblings(name)] == []


@pytest.mark.parametrize("folder", PROJECTS, ids=lambda folder: folder.name)
def test_namespaces_of_projects_have_no_init_file(folder):
    assert list((folder / "src" / "detectory").glob("__init__.py")) == []
    assert list((folder / "src" / "detectory" / "projects").glob("__init__.py")) == []
