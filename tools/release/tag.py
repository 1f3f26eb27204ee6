"""Check a release tag and print its parts for a workflow: `python -m tools.release.tag detectory-ops-v0.1.0`."""

import re
import sys

from tools.release.packages import find_package


def parse_tag(tag: str) -> str:
    """Return the name of the distribution that a tag releases.

    Raises:
        ValueError: If the tag has another form, names an unknown package or another version than pyproject.toml, or if
            the changelog does not describe the version.
    """
    match = re.fullmatch(r"(detectory[a-z-]*?)-v(\d+\.\d+\.\d+)", tag)
    if match is None:
        raise ValueError(f"tag '{tag}' must have the form NAME-vVERSION, such as detectory-ops-v0.1.0")
    package = find_package(match[1])
    if package.version != match[2]:
        raise ValueError(
            f"tag '{tag}' does not match the version {package.version} in {package.folder.name}/pyproject.toml"
        )
    if f"\n## {match[2]} (" not in (package.folder / "CHANGELOG.md").read_text(encoding="utf-8"):
        raise ValueError(f"{package.folder.name}/CHANGELOG.md does not describe {match[2]}. Use tools.release.bump")
    return package.name


if __name__ == "__main__":
    try:
        print(f"name={parse_tag(sys.argv[1])}")
    except (ValueError, IndexError) as error:
        sys.exit(f"tools.release.tag: {error}")
