"""Every package describes itself completely: license, addresses, classifiers, changelog, marker of inline types."""

import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PYPROJECTS = sorted([*ROOT.glob("packages/*/pyproject.toml"), *ROOT.glob("projects/*/pyproject.toml")])
PYTHONS = [f"Programming Language :: Python :: 3.{minor}" for minor in range(10, 15)]


def read_project(folder: Path) -> dict:
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(params=PYPROJECTS, ids=lambda path: path.parent.name)
def folder(request: pytest.FixtureRequest) -> Path:
    return request.param.parent


def test_license_file_is_the_license_of_the_repository(folder: Path) -> None:
    assert read_project(folder)["license-files"] == ["LICENSE"]
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_metadata_names_addresses_pythons_and_keywords(folder: Path) -> None:
    project = read_project(folder)
    relative = folder.relative_to(ROOT).as_posix()
    assert set(project["urls"]) == {"Repository", "Documentation", "Changelog", "Issues"}
    assert project["urls"]["Changelog"].endswith(f"/{relative}/CHANGELOG.md")
    assert set(PYTHONS) < set(project["classifiers"])
    assert {"object-detection", "pytorch"} < set(project["keywords"])
    assert project["requires-python"] == ">=3.10"


def test_package_has_a_changelog_and_declares_its_types(folder: Path) -> None:
    name = read_project(folder)["name"]
    assert (folder / "CHANGELOG.md").read_text(encoding="utf-8").startswith(f"# Changelog of {name}\n")
    assert len(list(folder.glob("src/detectory/**/py.typed"))) == 1
