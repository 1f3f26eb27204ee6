"""Machine: the device, cores and processes that a training plan depends on."""

import os
from dataclasses import dataclass

import torch

from detectory.core.distributed import get_local_size, get_world_size
from detectory.core.processor import granted_cores


@dataclass(frozen=True)
class Machine:
    """The machine that trains.

    Attributes:
        device: `"cpu"` or `"cuda"`.
        cores: CPU cores per process.
        processes: Number of training processes.
        name: Name of the GPU, or `"CPU"`.
    """

    device: str
    cores: int
    processes: int = 1
    name: str = "CPU"

    @classmethod
    def this(cls, device: str) -> "Machine":
        """Return the machine that this process runs on.

        Args:
            device: Device of the training, such as `"cpu"` or `"cuda:1"`.
        """
        cores = max(granted_cores() // max(get_local_size(), 1), 1)
        kind = torch.device(device).type
        name = torch.cuda.get_device_name(device) if kind == "cuda" else "CPU"
        return cls(kind, cores, get_world_size(), name)


def free_bytes(folder: str | os.PathLike[str]) -> int:
    """Return the free space of the file system that contains a folder, which may not exist yet."""
    path = os.path.abspath(folder)
    while not os.path.exists(path):
        path = os.path.dirname(path)
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize
