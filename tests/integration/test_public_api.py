"""The files `public_api.txt` list the public names of every package, so that a changed name is visible in a review."""

import pytest
from tools.public_api import public_api, snapshot_file
from tools.release.packages import Package, all_packages

PACKAGES = [package for package in all_packages() if snapshot_file(package).parent.exists()]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_public_names_are_those_of_the_snapshot(package: Package) -> None:
    expected = snapshot_file(package).read_text(encoding="utf-8").splitlines()
    present = public_api(package)
    removed, added = sorted(set(expected) - set(present)), sorted(set(present) - set(expected))
    assert not removed + added, f"removed: {removed}, added: {added}. Run `python -m tools.public_api` if this is meant"
