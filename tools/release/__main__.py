"""Build the files of a release, check them, and install every package from a local index.

usage: python -m tools.release [--output DIR] [--package NAME ...] [--skip-install]

The steps: sdist and wheel of each package in isolated environments, twice, to compare the builds byte for byte; the
metadata check of twine; a static package index of the files; the installation of each package in an empty environment
with pip or uv; a bill of materials of each; an upgrade and the way back. `release.json` in the output folder lists the
files with sizes and digests.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tools.release.build import build, check_metadata, describe, differing_files
from tools.release.bump import raised
from tools.release.index import serve, write_index
from tools.release.install import Environment, check_install, check_upgrade, write_sbom
from tools.release.packages import ROOT, Package, all_packages, find_package


def build_twice(packages: list[Package], output: Path, scratch: Path) -> list[Path]:
    """Build all files into a folder; end the program if a second build differs."""
    files = []
    for package in packages:
        start = time.monotonic()
        first = build(package, output, scratch / "build")
        second = build(package, scratch / "compared", scratch / "build")
        if names := differing_files(first, second):
            sys.exit(f"{package.name}: two builds differ: {', '.join(names)}")
        files += first
        sizes = ", ".join(f"{path.name} {path.stat().st_size / 1024:,.0f} KiB" for path in first)
        print(f"{sizes}: reproducible, {time.monotonic() - start:.0f} s", flush=True)
    return files


def next_patch(package: Package, scratch: Path) -> tuple[Path, str]:
    """Build the wheel of a package with the next patch version, for the upgrade."""
    version = raised(package.version, "patch")
    folder = scratch / "upgrade" / package.folder.name
    shutil.copytree(package.folder, folder)
    pyproject = folder / "pyproject.toml"
    text = pyproject.read_text(encoding="utf-8")
    pyproject.write_text(text.replace(f'version = "{package.version}"', f'version = "{version}"', 1), encoding="utf-8")
    return build(Package(folder), scratch / "upgrade" / "dist", scratch / "build")[1], version


def install_all(packages: list[Package], files: list[Path], output: Path, scratch: Path) -> None:
    """Install every package in an empty environment, alternately with pip and uv, and write its bill of materials."""
    upgraded, version = next_patch(find_package("structures"), scratch)
    write_index([*files, upgraded], scratch / "index")
    (output / "sbom").mkdir(exist_ok=True)
    with serve(scratch / "index") as address:
        for number, package in enumerate(packages):
            environment = Environment(scratch / "environment", address, ["pip", "uv"][number % 2])
            start = time.monotonic()
            check_install(package, environment)
            write_sbom(package, environment, output / "sbom" / f"{package.name}.json")
            print(f"{package.name}: installs with {environment.tool}, {time.monotonic() - start:.0f} s", flush=True)
        old = find_package("structures").version
        check_upgrade(Environment(scratch / "environment", address, "uv"), "detectory-structures", old, version)
        print(f"detectory-structures: {old} -> {version} -> {old}")


def main() -> None:
    """Run the steps and write `release.json`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "dist" / "release")
    parser.add_argument("--package", action="append", help="only this package, without the installation")
    parser.add_argument("--skip-install", action="store_true")
    arguments = parser.parse_args()
    packages = [find_package(name) for name in arguments.package] if arguments.package else all_packages()
    shutil.rmtree(arguments.output, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        files = build_twice(packages, arguments.output, Path(folder))
        check_metadata(files)
        if not (arguments.package or arguments.skip_install):
            install_all(packages, files, arguments.output, Path(folder))
    by_file = {path.name: package for package in packages for path in files if _belongs(path, package)}
    entries = [describe(by_file[path.name], path).as_dict() for path in files]
    (arguments.output / "release.json").write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
    print(f"{len(files)} files in {arguments.output}")


def _belongs(path: Path, package: Package) -> bool:
    return path.name.startswith(f"{package.name.replace('-', '_')}-{package.version}")


if __name__ == "__main__":
    main()
