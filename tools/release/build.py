"""Building and checking of the files of a release."""

import hashlib
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from tools.release.old_glibc import linker_options
from tools.release.packages import ROOT, Package

#: The tag of wheels with compiled libraries.
PLATFORM = "manylinux_2_28_x86_64"


@dataclass(frozen=True)
class Built:
    """A file of a release."""

    package: str
    version: str
    file: str
    bytes: int
    sha256: str

    def as_dict(self) -> dict[str, str | int]:
        """Return the fields as a dictionary for JSON."""
        return asdict(self)


def commit_time() -> str:
    """Return the time of the commit in seconds; archives store it for all files, so that builds are reproducible."""
    command = ["git", "-C", ROOT, "log", "-1", "--format=%ct"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def build(package: Package, target: Path, scratch: Path) -> list[Path]:
    """Build the sdist of a package, and its wheel from the sdist, in isolated environments.

    Compiled wheels are linked against an old glibc and get the tag `PLATFORM`.

    Args:
        package: The package.
        target: Folder for both files.
        scratch: Folder for intermediate files.

    Returns:
        The paths of the sdist and the wheel.

    Raises:
        subprocess.CalledProcessError: If a build fails.
    """
    environment = {**os.environ, "SOURCE_DATE_EPOCH": commit_time()}
    sdists, wheels = scratch / package.name / "sdist", scratch / package.name / "wheel"
    _uv_build(package.folder, "--sdist", sdists, environment)
    (sdist,) = sdists.glob("*.tar.gz")
    is_compiled = (package.folder / "CMakeLists.txt").exists()
    if is_compiled:
        environment["DETECTORY_LINK_OPTIONS"] = linker_options([sys.executable, "-m", "ziglang"], scratch / "glibc")
    _uv_build(sdist, "--wheel", wheels, environment)
    (wheel,) = wheels.glob("*.whl")
    if is_compiled:
        wheel = _repair(wheel, scratch / package.name / "repaired", environment)
    target.mkdir(parents=True, exist_ok=True)
    return [Path(path.replace(target / path.name)) for path in (sdist, wheel)]


def _uv_build(source: Path, what: str, folder: Path, environment: dict[str, str]) -> None:
    subprocess.run(["uv", "build", "--quiet", what, source, "--out-dir", folder], env=environment, check=True)


def _repair(wheel: Path, folder: Path, environment: dict[str, str]) -> Path:
    """Write a wheel with the tag `PLATFORM`; torch's libraries are left out, because torch is a requirement."""
    excluded = [argument for name in ("libtorch.so", "libtorch_cpu.so") for argument in ("--exclude", name)]
    command = [
        sys.executable,
        "-m",
        "auditwheel",
        "repair",
        "--plat",
        PLATFORM,
        "--wheel-dir",
        folder,
        *excluded,
        wheel,
    ]
    subprocess.run(command, env=environment, check=True)
    (repaired,) = folder.glob("*.whl")
    return repaired


def describe(package: Package, path: Path) -> Built:
    """Return the name, version, size and digest of a file."""
    data = path.read_bytes()
    return Built(package.name, package.version, path.name, len(data), hashlib.sha256(data).hexdigest())


def differing_files(first: list[Path], second: list[Path]) -> list[str]:
    """Return the names of files that differ between two builds."""
    contents = [{path.name: path.read_bytes() for path in paths} for paths in (first, second)]
    names = contents[0].keys() | contents[1].keys()
    return sorted(name for name in names if contents[0].get(name) != contents[1].get(name))


def check_metadata(files: list[Path]) -> None:
    """Check that the metadata and READMEs of files are valid for a package index.

    Raises:
        subprocess.CalledProcessError: If twine finds a problem.
    """
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *files], check=True)
