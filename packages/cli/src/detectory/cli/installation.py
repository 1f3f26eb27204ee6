"""What is wrong with an installation, each with what mends it."""

import importlib.metadata
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

_SMALLEST_SHARED_MEMORY = 512 * 2**20


@dataclass(frozen=True)
class Fault:
    """Something that is wrong here.

    Attributes:
        what: One sentence.
        fix: What to do, mostly a command.
    """

    what: str
    fix: str


def find_faults() -> list[Fault]:
    """Return what is wrong with this installation, the worst first; empty where nothing is."""
    return [fault for check in _CHECKS for fault in check()]


def _requirements() -> Iterator[Fault]:
    """Every requirement of every part of Detectory that is missing, or is there in another version."""
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"] or ""
        if name != "detectory" and not name.startswith("detectory-"):
            continue
        for text in distribution.requires or []:
            requirement = Requirement(text)
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
                continue
            try:
                found = importlib.metadata.version(requirement.name)
            except importlib.metadata.PackageNotFoundError:
                yield Fault(f"{name} needs {requirement.name}, which is not installed", f'pip install "{requirement}"')
                continue
            if not requirement.specifier.contains(found, prereleases=True):
                yield Fault(f"{name} needs {requirement}, installed is {found}", f'pip install "{requirement}"')


def _operators() -> Iterator[Fault]:
    """The compiled operators cannot be loaded, give wrong answers, or lack their CUDA half where there is a GPU."""
    import torch

    reinstall = "pip install --force-reinstall --no-deps detectory-ops"
    try:
        from detectory.ops import nms
        from detectory.ops._library import cuda_absence
    except (ImportError, OSError) as error:
        yield Fault(f"the compiled operators cannot be loaded: {error}", reinstall)
        return
    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 9.0]])
    if nms(boxes, torch.tensor([0.5, 0.9]), 0.5).tolist() != [1]:
        yield Fault("the compiled operators give wrong answers: nms of two boxes", reinstall)
    if torch.cuda.is_available() and cuda_absence is not None:
        yield Fault(f"operators run on the CPU only, though torch has a GPU: {cuda_absence}", reinstall)


def _graphics() -> Iterator[Fault]:
    """There is an NVIDIA GPU that torch does not use."""
    import torch

    if torch.cuda.is_available() or not (Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi")):
        return
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        yield Fault("CUDA_VISIBLE_DEVICES hides the GPU from torch", "unset CUDA_VISIBLE_DEVICES")
    elif torch.version.cuda is None:
        yield Fault(
            f"this machine has an NVIDIA GPU, but torch {torch.__version__} is a CPU-only build",
            "install torch with CUDA, see https://pytorch.org/get-started/locally/",
        )
    else:
        yield Fault(
            f"torch {torch.__version__} (CUDA {torch.version.cuda}) cannot use this machine's NVIDIA GPU",
            "nvidia-smi tells which CUDA the driver knows: update the driver, or install torch with an older CUDA",
        )


def _arrays() -> Iterator[Fault]:
    """Torch and NumPy do not understand each other."""
    import numpy as np
    import torch

    try:
        torch.from_numpy(np.zeros(1))
    except RuntimeError as error:
        yield Fault(f"torch {torch.__version__} and NumPy {np.__version__} do not fit: {error}", "pip install -U numpy")


def _folders() -> Iterator[Fault]:
    """The cache cannot be written to, or a variable names a folder that is not there."""
    from detectory.core.storage import cache_dir

    cache = cache_dir()
    existing = next(folder for folder in (cache, *cache.parents) if folder.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        yield Fault(f"downloads cannot be kept: {existing} is not writable", "export DETECTORY_CACHE=A_FOLDER_OF_YOURS")
    elif shutil.disk_usage(existing).free < 2**30:
        yield Fault(f"less than 1 GiB is free for downloads in {existing}", "export DETECTORY_CACHE=A_LARGER_FOLDER")
    datasets = os.environ.get("DETECTORY_DATASETS")
    if datasets and not Path(datasets).expanduser().is_dir():
        yield Fault(f"DETECTORY_DATASETS names {datasets}, which is no folder", "export DETECTORY_DATASETS=THE_FOLDER")


def _shared_memory() -> Iterator[Fault]:
    """Too little shared memory for loaders with workers, as containers have it by default."""
    shared = Path("/dev/shm")
    if shared.is_dir() and shutil.disk_usage(shared).total < _SMALLEST_SHARED_MEMORY:
        size = shutil.disk_usage(shared).total / 2**20
        yield Fault(
            f"{size:.0f} MiB of shared memory are too little for loaders with workers",
            "start the container with --shm-size=8g (or --ipc=host), or train with dataloader.train.num_workers=0",
        )


def _threads() -> Iterator[Fault]:
    """Torch computes with one thread though there are more cores."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if torch.get_num_threads() == 1 < cores and os.environ.get("OMP_NUM_THREADS") == "1":
        yield Fault(f"OMP_NUM_THREADS=1 lets torch use one of {cores} cores", "unset OMP_NUM_THREADS")


_CHECKS: tuple[Callable[[], Iterator[Fault]], ...] = (
    _requirements,
    _operators,
    _arrays,
    _graphics,
    _folders,
    _shared_memory,
    _threads,
)
