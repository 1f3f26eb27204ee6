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

PACKAGES = Path(__file__).resolve().parents[2] / "packages"

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


def imported_siblings(package: str) -> dict[str, str]:
    """Map each sibling imported by a package, also inside functions, to the location of one such import."""
    found = {}
    for path in (PACKAGES / package / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                modules = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            for module in modules:
                if module.startswith("detectory."):
                    found.setdefault(module.split(".")[1], f"{path}:{node.lineno}")
    found.pop(package, None)
    return found


def declared_siblings(package: str) -> set[str]:
    project = tomllib.loads((PACKAGES / package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {match[1] for line in project["dependencies"] if (match := re.match(r"detectory-(\w+)", line))}


def test_every_package_has_a_row():
    assert {path.parent.name for path in PACKAGES.glob("*/pyproject.toml")} <= set(SIBLINGS)


@pytest.mark.parametrize("package", NAMES)
def test_imports_only_the_siblings_of_its_row(package):
    allowed = set(SIBLINGS[package].split())
    assert {name: location for name, location in imported_siblings(package).items() if name not in allowed} == {}


@pytest.mark.parametrize("package", NAMES)
def test_requires_exactly_the_siblings_of_its_row(package):
    assert declared_siblings(package) == set(SIBLINGS[package].split())


@pytest.mark.parametrize("package", NAMES)
def test_namespace_package_has_no_init_file(package):
    assert not (PACKAGES / package / "src" / "detectory" / "__init__.py").exists()
