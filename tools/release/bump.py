"""Raise the version of a package: `python -m tools.release.bump NAME patch|minor|major`.

The version in pyproject.toml, the heading of the changelog and the ranges of all packages that require the package are
changed together. A package requires the minor version of another package that it was tested with, so a new minor
version changes its dependents, and these are printed: each of them needs a release too.
"""

import argparse
import datetime
import re
from pathlib import Path

from tools.release.packages import Package, all_packages, find_package


def raised(version: str, part: str) -> str:
    """Return the next version: `raised("0.1.2", "minor")` is "0.2.0"."""
    numbers = [int(number) for number in version.split(".")]
    index = ["major", "minor", "patch"].index(part)
    return ".".join(map(str, [*numbers[:index], numbers[index] + 1, *[0] * (2 - index)]))


def supported_range(version: str) -> str:
    """Return the range that dependents declare: ">=0.2,<0.3" for 0.2.x."""
    major, minor, _ = (int(number) for number in version.split("."))
    return f">={major}.{minor},<{major}.{minor + 1}"


def bump(package: Package, part: str, date: datetime.date, packages: list[Package]) -> list[Package]:
    """Raise the version of a package and the ranges of its dependents.

    Args:
        package: The package.
        part: "major", "minor" or "patch".
        date: The day of the release, for the changelog.
        packages: All packages of the repository.

    Returns:
        The packages with a changed range.

    Raises:
        ValueError: If nothing was noted under `## Unreleased` in the changelog. No file is changed then.
    """
    version = raised(package.version, part)
    changelog = package.folder / "CHANGELOG.md"
    released = _release_notes(changelog, version, date)
    pyproject = package.folder / "pyproject.toml"
    old = f'version = "{package.version}"'
    pyproject.write_text(
        pyproject.read_text(encoding="utf-8").replace(old, f'version = "{version}"', 1), encoding="utf-8"
    )
    changelog.write_text(released, encoding="utf-8")
    return [dependent for dependent in packages if _change_range(dependent, package.name, supported_range(version))]


def _release_notes(changelog: Path, version: str, date: datetime.date) -> str:
    """Return a changelog with the unreleased notes under the heading of a version."""
    text = changelog.read_text(encoding="utf-8")
    head, heading, rest = text.partition("## Unreleased\n")
    notes = re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    if not heading or not notes.strip():
        raise ValueError(f"{changelog}: nothing is noted under '## Unreleased'. Describe the changes for users first")
    return f"{head}## Unreleased\n\n## {version} ({date.isoformat()})\n{rest}"


def _change_range(dependent: Package, name: str, supported: str) -> bool:
    path = dependent.folder / "pyproject.toml"
    text = path.read_text(encoding="utf-8")
    # The name ends before an extra or the range, so that `detectory` does not match `detectory-ops`.
    changed = re.sub(rf'("{re.escape(name)}(?:\[[\w,-]+\])?)>=[^"]+"', rf'\g<1>{supported}"', text)
    path.write_text(changed, encoding="utf-8")
    return changed != text


def main() -> None:
    """Parse the arguments, change the files and print what changed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="distribution or folder name, such as detectory-ops or ops")
    parser.add_argument("part", choices=["major", "minor", "patch"])
    arguments = parser.parse_args()
    try:
        package = find_package(arguments.name)
        before = package.version
        dependents = bump(package, arguments.part, datetime.datetime.now(datetime.timezone.utc).date(), all_packages())
    except ValueError as error:
        parser.error(str(error))
    print(f"{package.name} {before} -> {package.version}")
    for dependent in dependents:
        print(f"{dependent.name}: requires {package.name}{supported_range(package.version)}, and needs a release")


if __name__ == "__main__":
    main()
