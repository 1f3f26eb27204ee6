"""Building and checking of the files of a release."""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

from tools.release.old_glibc import linker_options
from tools.release.packages import ROOT, Package

#: The tag of wheels with compiled libraries.
PLATFORM = "manylinux_2_28_x86_64"

_CUDA_LIBRARY = "_C_cuda"


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
    """Build the sdist of a package, and its wheel from the sdist.

    Compiled wheels are linked against an old glibc and get the tag `PLATFORM`. CUDA's compiler derives names from the
    paths of sources and headers, so two builds only have equal bytes if they use the same `scratch`.

    Args:
        package: The package.
        target: Folder for both files.
        scratch: Folder for intermediate files; an existing one is replaced.

    Returns:
        The paths of the sdist and the wheel.

    Raises:
        subprocess.CalledProcessError: If a build fails.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    environment = {**os.environ, "SOURCE_DATE_EPOCH": commit_time()}
    _uv_build(package.folder, "--sdist", scratch / "sdist", environment)
    (sdist,) = (scratch / "sdist").glob("*.tar.gz")
    if (package.folder / "CMakeLists.txt").exists():
        wheel = _compiled_wheel(package, sdist, scratch, environment)
    else:
        _uv_build(sdist, "--wheel", scratch / "wheel", environment)
        (wheel,) = (scratch / "wheel").glob("*.whl")
    target.mkdir(parents=True, exist_ok=True)
    return [Path(path.replace(target / path.name)) for path in (sdist, wheel)]


def _compiled_wheel(package: Package, sdist: Path, scratch: Path, environment: dict[str, str]) -> Path:
    """Build a wheel with compiled libraries in an environment and a source folder below `scratch`."""
    python = scratch / "environment" / "bin" / "python"
    subprocess.run(["uv", "venv", "--quiet", scratch / "environment"], check=True)
    requirements = [*package.pyproject["build-system"]["requires"], "cmake", "ninja"]
    subprocess.run(["uv", "pip", "install", "--quiet", "--python", python, *requirements], check=True)
    shutil.unpack_archive(sdist, scratch / "source", filter="data")
    (source,) = (scratch / "source").iterdir()
    environment = {**environment, "PATH": f"{python.parent}{os.pathsep}{environment['PATH']}"}
    environment["DETECTORY_LINK_OPTIONS"] = linker_options([sys.executable, "-m", "ziglang"], scratch / "glibc")
    _uv_build(source, "--wheel", scratch / "wheel", environment, "--no-build-isolation", "--python", str(python))
    (wheel,) = (scratch / "wheel").glob("*.whl")
    return _repair(wheel, scratch / "repaired", environment)


def _uv_build(source: Path, what: str, folder: Path, environment: dict[str, str], *options: str) -> None:
    command = ["uv", "build", "--quiet", what, *options, source, "--out-dir", folder]
    subprocess.run(command, env=environment, check=True)


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
    """Return the names of files that differ between two builds, in wheels with CUDA kernels those of their files.

    Libraries of CUDA kernels are not compared: the compiler writes the number of its process into them.
    """
    builds = [dict(entry for path in paths for entry in _contents(path).items()) for paths in (first, second)]
    names = builds[0].keys() | builds[1].keys()
    return sorted(name for name in names if builds[0].get(name) != builds[1].get(name))


def _contents(path: Path) -> dict[str, bytes]:
    """Return the bytes of a file, or of the comparable files in a wheel with CUDA kernels, by name."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            names = wheel.namelist()
            if any(_CUDA_LIBRARY in name for name in names):
                # The record contains the digests of all files, also of the library.
                compared = [name for name in names if _CUDA_LIBRARY not in name and not name.endswith("/RECORD")]
                return {name: wheel.read(name) for name in compared}
    return {path.name: path.read_bytes()}


def check_metadata(files: list[Path]) -> None:
    """Check that the metadata and READMEs of files are valid for a package index.

    Raises:
        subprocess.CalledProcessError: If twine finds a problem.
    """
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *files], check=True)
