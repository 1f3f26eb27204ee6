"""Loading of the compiled libraries, and the reason if CUDA kernels are unavailable."""

import importlib.machinery
import sys
from collections.abc import Iterable
from pathlib import Path

import torch

_SUFFIXES = (".so", ".dylib", ".pyd", *importlib.machinery.EXTENSION_SUFFIXES)


def find_library(stem: str, folders: Iterable[str]) -> Path | None:
    """Find a compiled library in the folders of a package.

    Args:
        stem: Name of the library without suffix, `_C` or `_C_cuda`.
        folders: The package's `__path__`; editable installs keep sources and libraries in different folders.

    Returns:
        The first existing file, or None.
    """
    candidates = (Path(folder) / f"{stem}{suffix}" for folder in folders for suffix in _SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)


def _load(folders: list[str]) -> str | None:
    """Load both libraries; return why CUDA kernels are unavailable, or None if they are available."""
    cpu = find_library("_C", folders)
    if cpu is None:
        raise ImportError(
            f"detectory.ops: compiled library _C not found in {folders}. Install the wheel "
            "(`pip install detectory-ops`) or build it from a clone (`pip install ./packages/ops`)"
        )
    torch.ops.load_library(cpu)
    if torch.version.cuda is None:
        return f"torch {torch.__version__} is a CPU-only build"
    cuda = find_library("_C_cuda", folders)
    if cuda is None:
        return "detectory-ops was built without CUDA. DETECTORY_CUDA=ON enables it"
    try:
        torch.ops.load_library(cuda)
    except OSError as error:
        return f"{cuda} could not be loaded: {error}"
    return None


# `import detectory.ops` sets the path of the package before it imports this module.
_folders = list(sys.modules["detectory.ops"].__path__)
cuda_absence: str | None = _load(_folders)
ops = torch.ops.detectory
