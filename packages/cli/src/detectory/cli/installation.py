"""Checks for installation problems, each with a fix, for `detectory env`."""

import importlib.metadata
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

#: Data loaders with workers exchange batches through shared memory; Docker's default is 64 MiB.
_MIN_SHARED_MEMORY = 512 * 2**20


@dataclass(frozen=True)
class Problem:
    """A problem of the installation.

    Attributes:
        description: One sentence.
        fix: What to do, usually a command.
    """

    description: str
    fix: str


def find_problems() -> list[Problem]:
    """Return all problems of this installation, the most severe first."""
    return [problem for check in _CHECKS for problem in check()]


def _check_requirements() -> Iterator[Problem]:
    """Check that the requirements of all installed Detectory packages are installed in a matching version."""
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"] or ""
        if name != "detectory" and not name.startswith("detectory-"):
            continue
        for text in distribution.requires or []:
            requirement = Requirement(text)
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
                continue
            fix = f'pip install "{requirement}"'
            try:
                version = importlib.metadata.version(requirement.name)
            except importlib.metadata.PackageNotFoundError:
                yield Problem(f"{name} requires {requirement.name}, which is not installed", fix)
                continue
            if not requirement.specifier.contains(version, prereleases=True):
                yield Problem(f"{name} requires {requirement}, but version {version} is installed", fix)


def _check_operators() -> Iterator[Problem]:
    """Check that the compiled operators can be loaded, compute the right result, and support CUDA if torch does."""
    import torch

    reinstall = "pip install --force-reinstall --no-deps detectory-ops"
    try:
        from detectory.ops import nms
        from detectory.ops._library import cuda_absence
    except (ImportError, OSError) as error:
        yield Problem(f"the compiled operators cannot be loaded: {error}", reinstall)
        return
    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 9.0]])
    if nms(boxes, torch.tensor([0.5, 0.9]), 0.5).tolist() != [1]:
        yield Problem("the compiled operators return wrong results (nms of two boxes)", reinstall)
    if torch.cuda.is_available() and cuda_absence is not None:
        yield Problem(f"torch can use a GPU, but the operators run on the CPU only: {cuda_absence}", reinstall)


def _check_gpu() -> Iterator[Problem]:
    """Check that torch can use the NVIDIA GPU, if there is one."""
    import torch

    if torch.cuda.is_available() or not (Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi")):
        return
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        yield Problem("CUDA_VISIBLE_DEVICES hides the GPU from torch", "unset CUDA_VISIBLE_DEVICES")
    elif torch.version.cuda is None:
        yield Problem(
            f"this machine has an NVIDIA GPU, but torch {torch.__version__} is a CPU-only build",
            "install torch with CUDA, see https://pytorch.org/get-started/locally/",
        )
    else:
        yield Problem(
            f"torch {torch.__version__} (CUDA {torch.version.cuda}) cannot use the NVIDIA GPU of this machine",
            "update the driver, or install torch for the CUDA version that nvidia-smi reports",
        )


def _check_numpy() -> Iterator[Problem]:
    """Check that torch and NumPy are binary compatible."""
    import numpy as np
    import torch

    try:
        torch.from_numpy(np.zeros(1))
    except RuntimeError as error:
        message = f"torch {torch.__version__} and NumPy {np.__version__} are incompatible: {error}"
        yield Problem(message, "pip install -U numpy")


def _check_folders() -> Iterator[Problem]:
    """Check that the cache folder is writable and has free space, and that the dataset folder exists."""
    from detectory.core.storage import cache_dir

    cache = cache_dir()
    existing = next(folder for folder in (cache, *cache.parents) if folder.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        message = f"downloads cannot be cached: {existing} is not writable"
        yield Problem(message, "export DETECTORY_CACHE=A_WRITABLE_FOLDER")
    elif shutil.disk_usage(existing).free < 2**30:
        message = f"less than 1 GiB is free for downloads in {existing}"
        yield Problem(message, "export DETECTORY_CACHE=A_FOLDER_WITH_MORE_SPACE")
    datasets = os.environ.get("DETECTORY_DATASETS")
    if datasets and not Path(datasets).expanduser().is_dir():
        message = f"DETECTORY_DATASETS is set to {datasets}, which is not a folder"
        yield Problem(message, "export DETECTORY_DATASETS=THE_FOLDER")


def _check_shared_memory() -> Iterator[Problem]:
    """Check that shared memory is large enough for data loader workers; the default of containers is not."""
    shared = Path("/dev/shm")
    if shared.is_dir() and shutil.disk_usage(shared).total < _MIN_SHARED_MEMORY:
        size = shutil.disk_usage(shared).total / 2**20
        yield Problem(
            f"{size:.0f} MiB of shared memory are not enough for data loader workers",
            "start the container with --shm-size=8g or --ipc=host, or train with dataloader.train.num_workers=0",
        )


def _check_threads() -> Iterator[Problem]:
    """Check that OMP_NUM_THREADS does not limit torch to one of several cores."""
    import torch

    from detectory.core.processor import granted_cores

    cores = granted_cores()
    if torch.get_num_threads() == 1 < cores and os.environ.get("OMP_NUM_THREADS") == "1":
        yield Problem(f"OMP_NUM_THREADS=1 limits torch to one of {cores} cores", "unset OMP_NUM_THREADS")


#: In order of severity.
_CHECKS: tuple[Callable[[], Iterator[Problem]], ...] = (
    _check_requirements,
    _check_operators,
    _check_numpy,
    _check_gpu,
    _check_folders,
    _check_shared_memory,
    _check_threads,
)
