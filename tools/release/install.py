"""Installing the files of a release from a local index in empty environments."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tools.release.packages import Package


@dataclass(frozen=True)
class Environment:
    """An empty environment that installs from the local index, and third-party packages from the configured index."""

    folder: Path
    index: str
    tool: str  # "pip" or "uv"

    @property
    def python(self) -> Path:
        """The interpreter."""
        return self.folder / "bin" / "python"

    def create(self, python: str = sys.executable) -> None:
        """Create the environment, and replace an existing one."""
        shutil.rmtree(self.folder, ignore_errors=True)
        seed = ["--seed"] if self.tool == "pip" else []
        subprocess.run(["uv", "venv", "--quiet", *seed, "--python", python, self.folder], check=True)

    def install(self, *requirements: str) -> None:
        """Install requirements; the files of the release come from the local index only.

        Raises:
            subprocess.CalledProcessError: If the requirements cannot be installed.
        """
        if self.tool == "uv":
            options = ["--quiet", "--index", self.index, "--python", str(self.python)]
            command = ["uv", "pip", "install", *options, *requirements]
        else:
            command = [
                str(self.python),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--extra-index-url",
                self.index,
                *requirements,
            ]
        subprocess.run(command, check=True)

    def version(self, name: str) -> str:
        """Return the installed version of a distribution."""
        return self.run(f"from importlib.metadata import version; print(version({name!r}))")

    def run(self, code: str) -> str:
        """Run Python code outside the source tree and return what it prints.

        Raises:
            subprocess.CalledProcessError: If the code fails.
        """
        command = [self.python, "-I", "-c", code]
        return subprocess.run(command, cwd=self.folder, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def check_install(package: Package, environment: Environment) -> None:
    """Install a package in an empty environment and import it.

    Raises:
        subprocess.CalledProcessError: If the installation or the import fails.
    """
    environment.create()
    environment.install(package.name)
    environment.run(f"import {package.module}")


def check_upgrade(environment: Environment, name: str, old: str, new: str) -> None:
    """Install the old version of a package, upgrade to the new one, and return to the old one.

    Raises:
        RuntimeError: If another version is installed after a step.
        subprocess.CalledProcessError: If a step fails.
    """
    environment.create()
    for requirement, expected in ((f"{name}=={old}", old), (f"{name}>={new}", new), (f"{name}=={old}", old)):
        environment.install(requirement)
        if (installed := environment.version(name)) != expected:
            raise RuntimeError(f"after installing {requirement}, {name} {installed} is installed, expected {expected}")


def write_sbom(package: Package, environment: Environment, path: Path) -> None:
    """Write the bill of materials of a package and everything installed with it, in CycloneDX's JSON format.

    Raises:
        subprocess.CalledProcessError: If cyclonedx-py fails.
    """
    program = Path(sys.executable).with_name("cyclonedx-py")
    options = ["--output-reproducible", "--pyproject", package.folder / "pyproject.toml", "--output-file", path]
    subprocess.run([program, "environment", environment.python, *options], check=True)
