"""Versions, changelogs and ranges change together, and the ranges admit exactly the tested versions."""

import datetime
import shutil
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from tools.release.bump import bump, raised, supported_range
from tools.release.index import serve, write_index
from tools.release.packages import Package, all_packages, find_package

DAY = datetime.date(2026, 12, 24)


@pytest.fixture
def copies(tmp_path: Path) -> list[Package]:
    """The metadata of all packages, in a folder where it can be changed."""
    packages = []
    for package in all_packages():
        folder = tmp_path / package.folder.name
        folder.mkdir()
        shutil.copy(package.folder / "pyproject.toml", folder)
        (folder / "CHANGELOG.md").write_text(f"# Changelog of {package.name}\n\n## Unreleased\n\n- A change.\n")
        packages.append(Package(folder))
    return packages


def named(packages: list[Package], name: str) -> Package:
    return next(package for package in packages if package.name == name)


def accepts(package: Package, name: str, version: str) -> bool:
    ranges = [Requirement(line) for line in package.requirements if Requirement(line).name == name]
    assert ranges, f"{package.name} does not require {name}"
    return all(version in requirement.specifier for requirement in ranges)


@pytest.mark.parametrize(
    ("version", "part", "expected"),
    [
        ("0.1.2", "patch", "0.1.3"),
        ("0.1.2", "minor", "0.2.0"),
        ("0.9.0", "minor", "0.10.0"),
        ("1.4.2", "major", "2.0.0"),
    ],
)
def test_raised(version: str, part: str, expected: str) -> None:
    assert raised(version, part) == expected


def test_every_range_admits_the_present_version_and_not_the_next_minor_version() -> None:
    packages = all_packages()
    for package in packages:
        for name in package.siblings:
            version = named(packages, name).version
            assert accepts(package, name, version), f"{package.name} refuses {name} {version}"
            assert not accepts(package, name, raised(version, "minor"))


def test_a_minor_version_changes_changelog_and_dependents(copies: list[Package]) -> None:
    ops = named(copies, "detectory-ops")
    dependents = {package.name for package in bump(ops, "minor", DAY, copies)}
    assert ops.version == "0.2.0"
    assert (ops.folder / "CHANGELOG.md").read_text() == (
        "# Changelog of detectory-ops\n\n## Unreleased\n\n## 0.2.0 (2026-12-24)\n\n- A change.\n"
    )
    assert dependents == {package.name for package in copies if "detectory-ops" in package.siblings}
    for name in dependents:
        assert accepts(named(copies, name), "detectory-ops", "0.2.7")
        assert not accepts(named(copies, name), "detectory-ops", "0.1.0")


def test_structures_of_the_old_version_refuse_the_new_operators(copies: list[Package]) -> None:
    old = named(all_packages(), "detectory-structures")
    bump(named(copies, "detectory-ops"), "minor", DAY, copies)
    assert not accepts(old, "detectory-ops", "0.2.0")
    assert accepts(named(copies, "detectory-structures"), "detectory-ops", "0.2.0")


def test_a_patch_version_leaves_the_dependents(copies: list[Package]) -> None:
    assert bump(named(copies, "detectory-core"), "patch", DAY, copies) == []
    assert named(copies, "detectory-core").version == "0.1.1"
    assert supported_range("0.1.1") == ">=0.1,<0.2"


def test_a_release_without_notes_is_refused_and_changes_nothing(copies: list[Package]) -> None:
    core = named(copies, "detectory-core")
    (core.folder / "CHANGELOG.md").write_text("# Changelog of detectory-core\n\n## Unreleased\n\n## 0.0.9\n\n- Old.\n")
    with pytest.raises(ValueError, match="nothing is noted under '## Unreleased'"):
        bump(core, "minor", DAY, copies)
    assert core.version == "0.1.0"


def test_packages_are_ordered_by_their_requirements() -> None:
    names = [package.name for package in all_packages()]
    assert names.index("detectory-ops") < names.index("detectory-structures") < names.index("detectory-modeling")
    assert find_package("cli").name == "detectory"
    assert find_package("cli").module == "detectory.cli"
    with pytest.raises(ValueError, match="unknown package 'opts'"):
        find_package("opts")


def test_local_index_lists_files_with_their_digests(tmp_path: Path) -> None:
    import hashlib
    import urllib.request

    wheel = tmp_path / "detectory_core-0.1.0-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    write_index([wheel], tmp_path / "index")
    with serve(tmp_path / "index") as address:
        page = urllib.request.urlopen(f"{address}detectory-core/").read().decode()
        assert f"{wheel.name}#sha256={hashlib.sha256(b'wheel').hexdigest()}" in page
        assert urllib.request.urlopen(f"{address}detectory-core/{wheel.name}").read() == b"wheel"


def test_builds_are_compared_without_the_library_of_cuda_kernels(tmp_path: Path) -> None:
    import zipfile

    from tools.release.build import differing_files

    def wheel(folder: str, cuda: bytes, code: bytes) -> list[Path]:
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "detectory_ops-0.1.0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in (("ops/_C_cuda.so", cuda), ("ops/a.py", code), ("ops.dist-info/RECORD", cuda + code)):
                archive.writestr(name, data)
        return [path]

    assert differing_files(wheel("a", b"1", b"x"), wheel("b", b"2", b"x")) == []
    assert differing_files(wheel("c", b"1", b"x"), wheel("d", b"1", b"y")) == ["ops/a.py"]
