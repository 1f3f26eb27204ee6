"""Every package describes itself completely: license, addresses, classifiers, changelog, marker of inline types."""

import pytest
from tools.release.packages import ROOT, Package, all_packages

PYTHONS = [f"Programming Language :: Python :: 3.{minor}" for minor in range(10, 15)]


@pytest.fixture(params=all_packages(), ids=lambda package: package.name)
def package(request: pytest.FixtureRequest) -> Package:
    return request.param


def test_license_file_is_the_license_of_the_repository(package: Package) -> None:
    assert package.pyproject["project"]["license-files"] == ["LICENSE"]
    assert (package.folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_metadata_names_addresses_pythons_and_keywords(package: Package) -> None:
    project = package.pyproject["project"]
    relative = package.folder.relative_to(ROOT).as_posix()
    assert set(project["urls"]) == {"Repository", "Documentation", "Changelog", "Issues"}
    assert project["urls"]["Changelog"].endswith(f"/{relative}/CHANGELOG.md")
    assert set(PYTHONS) < set(project["classifiers"])
    assert {"object-detection", "pytorch"} < set(project["keywords"])
    assert project["requires-python"] == ">=3.10"


def test_package_has_a_changelog_and_declares_its_types(package: Package) -> None:
    assert (package.folder / "CHANGELOG.md").read_text(encoding="utf-8").startswith(f"# Changelog of {package.name}\n")
    assert len(list(package.folder.glob("src/detectory/**/py.typed"))) == 1
