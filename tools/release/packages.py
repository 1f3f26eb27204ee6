"""The packages of this repository and their metadata."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]

_SIBLING = re.compile(r"(detectory(?:-[a-z0-9-]+)?)(?=[\[<>=~!; ]|$)")


@dataclass(frozen=True)
class Package:
    """One distribution of the repository."""

    folder: Path

    @property
    def pyproject(self) -> dict:
        """The parsed pyproject.toml."""
        return tomllib.loads((self.folder / "pyproject.toml").read_text(encoding="utf-8"))

    @property
    def name(self) -> str:
        """The name of the distribution, such as `detectory-ops`."""
        return self.pyproject["project"]["name"]

    @property
    def version(self) -> str:
        """The version in pyproject.toml."""
        return self.pyproject["project"]["version"]

    @property
    def module(self) -> str:
        """The import name, such as `detectory.ops`."""
        root = self.folder / "src" / "detectory"
        (file,) = [*root.glob("*/__init__.py"), *root.glob("projects/*/__init__.py")]
        return ".".join(file.parent.relative_to(root.parent).parts)

    @property
    def requirements(self) -> list[str]:
        """All requirements, including those of the extras."""
        project = self.pyproject["project"]
        extras = project.get("optional-dependencies", {}).values()
        return [*project.get("dependencies", []), *(line for extra in extras for line in extra)]

    @property
    def siblings(self) -> set[str]:
        """The names of required distributions of this repository, without those of extras."""
        lines = self.pyproject["project"].get("dependencies", [])
        return {match[1] for line in lines if (match := _SIBLING.match(line))}


def all_packages() -> list[Package]:
    """Return every package and project of the repository, required ones before those that require them.

    Raises:
        ValueError: If the requirements form a circle.
    """
    files = [*ROOT.glob("packages/*/pyproject.toml"), *ROOT.glob("projects/*/pyproject.toml")]
    waiting = {package.name: package for package in (Package(path.parent) for path in sorted(files))}
    ordered: list[Package] = []
    done: set[str] = set()
    while waiting:
        ready = [package for package in waiting.values() if package.siblings <= done]
        if not ready:
            raise ValueError(f"the requirements of {', '.join(sorted(waiting))} form a circle")
        for package in ready:
            ordered.append(waiting.pop(package.name))
            done.add(package.name)
    return ordered


def find_package(name: str) -> Package:
    """Return a package by its distribution name or its folder name.

    Raises:
        ValueError: If the repository has no such package; the message lists all names.
    """
    packages = all_packages()
    for package in packages:
        if name in {package.name, package.folder.name}:
            return package
    raise ValueError(f"unknown package '{name}'. The packages are {', '.join(p.name for p in packages)}")
