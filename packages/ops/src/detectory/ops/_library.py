"""Loads the compiled operators and remembers why the CUDA ones are absent, where they are."""

import importlib.machinery
import sys
from collections.abc import Iterable
from pathlib import Path

import torch

_SUFFIXES = (".so", ".dylib", ".pyd", *importlib.machinery.EXTENSION_SUFFIXES)


def find_library(stem: str, folders: Iterable[str]) -> Path | None:
    """Find a compiled library in the folders of a package.

    Args:
        stem: The library's name without suffix, `_C` or `_C_cuda`.
        folders: The package's `__path__`; an editable install has the sources in one folder, the library in another.

    Returns:
        The first file that exists, or None.
    """
    candidates = (Path(folder) / f"{stem}{suffix}" for folder in folders for suffix in _SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)


def _load(folders: list[str]) -> str | None:
    """Load both libraries; return why CUDA kernels are absent, or None where they are there."""
    cpu = find_library("_C", folders)
    if cpu is None:
        raise ImportError(
            f"detectory.ops: no compiled library _C in {folders}; install the wheel (`pip install detectory-ops`) "
            "or build it from a clone (`pip install ./packages/ops`)"
        )
    torch.ops.load_library(cpu)
    if torch.version.cuda is None:
        return f"this torch ({torch.__version__}) is a CPU-only build"
    cuda = find_library("_C_cuda", folders)
    if cuda is None:
        return "this detectory-ops was built without CUDA (DETECTORY_CUDA=ON builds it)"
    try:
        torch.ops.load_library(cuda)
    except OSError as error:
        return f"{cuda} could not be loaded: {error}"
    return None


# Found once: `import detectory.ops` has set the package's path by the time this module runs.
_folders = list(sys.modules["detectory.ops"].__path__)
cuda_absence: str | None = _load(_folders)
ops = torch.ops.detectory
