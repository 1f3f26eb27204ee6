"""`Environment`: a cached Python environment with pinned packages, created by uv."""

import hashlib
import importlib.util
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from detectory.core.storage import FolderLock, cache_dir

_logger = logging.getLogger(__name__)

_PROGRAMS = Path(__file__).resolve().parent
_PYTHON = Path("venv", "Scripts", "python.exe") if os.name == "nt" else Path("venv", "bin", "python")
#: uv does not read the settings of pip.
_PIP_SETTINGS = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
}


@dataclass(frozen=True)
class Environment:
    """A Python environment without Detectory, created at its first use and then used by all later exports.

    The environment is a folder in `environments/` of `detectory.core.storage.cache_dir()`.

    Args:
        name: Name of the environment, as in messages.
        requirements: The packages with their exact versions.
    """

    name: str
    requirements: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """The folder; its name depends on the Python version and the requirements."""
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        digest = hashlib.sha256(" ".join(self.requirements).encode()).hexdigest()[:8]
        return cache_dir() / "environments" / f"{self.name}-python{version}-{digest}"

    def python(self) -> str:
        """Return the path of the interpreter; the first call creates the environment.

        Raises:
            FolderInUseError: If another process is creating the environment.
            ImportError: If uv is not installed.
            RuntimeError: If the packages cannot be installed.
        """
        folder, complete = self.folder, self.folder / "complete"
        if not complete.is_file():
            uv = _find_uv(self.name)
            folder.mkdir(parents=True, exist_ok=True)
            with FolderLock(folder):
                self._create(uv)
            complete.touch()
        return str(folder / _PYTHON)

    def command(self, program: str, *arguments: str | os.PathLike[str]) -> list[str]:
        """Return the command line that runs a program of this folder in the environment."""
        return [self.python(), "-I", str(_PROGRAMS / program), *(os.fspath(argument) for argument in arguments)]

    def run(self, program: str, *arguments: str | os.PathLike[str]) -> None:
        """Run a program of this folder in the environment.

        Args:
            program: File name of the program.
            arguments: Its arguments.

        Raises:
            RuntimeError: If the program fails; the message contains the last line of its output.
        """
        _run(self.command(program, *arguments), os.environ, f"export: {self.name} could not convert the model")

    def _create(self, uv: str) -> None:
        """Install the packages: torch for CPUs if its index can be reached, because it is much smaller."""
        packages = " and ".join(self.requirements)
        _logger.warning("export: installing %s in the separate environment %s (once)", packages, self.folder)
        variables = _uv_variables()
        failure = f"export: {packages} could not be installed in {self.folder}"
        _run([uv, "venv", "--clear", "--python", sys.executable, str(self.folder / "venv")], variables, failure)
        install = [uv, "pip", "install", "--python", str(self.folder / _PYTHON), *self.requirements]
        if "UV_TORCH_BACKEND" not in variables:
            try:
                return _run(install, {**variables, "UV_TORCH_BACKEND": "cpu"}, failure)
            except RuntimeError as error:
                _logger.info("%s. Installing the default build of torch", error)
        return _run(install, variables, failure)


# Version 0.10 of litert-torch excludes torch 2.15, and the extension modules of ExecuTorch 1.5 crash with torch 2.15.
LITERT = Environment("litert-torch", ("litert-torch==0.10.0", "torch==2.13.0"))
EXECUTORCH = Environment("executorch", ("executorch==1.5.1", "torch==2.13.0"))


def _find_uv(name: str) -> str:
    found = shutil.which("uv")
    if found is None and importlib.util.find_spec("uv") is not None:
        import uv

        found = os.fspath(uv.find_uv_bin())
    if found is None:
        raise ImportError(f"export: {name} needs an environment with another version of torch: pip install uv")
    return found


def _uv_variables() -> dict[str, str]:
    """Return the environment variables for uv."""
    variables = {own: os.environ[other] for other, own in _PIP_SETTINGS.items() if other in os.environ}
    return {**variables, **os.environ, "UV_NO_PROGRESS": "1"}


def _run(command: Sequence[str], variables: Mapping[str, str], failure: str) -> None:
    result = subprocess.run(command, capture_output=True, text=True, env=dict(variables), check=False)
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines() or [f"exit code {result.returncode}"]
        raise RuntimeError(f"{failure}: {lines[-1].strip()}")
