"""Ranks and sizes of the process group, and the group of the processes on one machine.

Every query also works without a process group, as if there were one process of rank 0.
"""

import os
from typing import Any

import torch.distributed as dist

_local_group: list[Any] = []


def is_distributed() -> bool:
    """Return whether a process group is initialized."""
    return dist.is_available() and dist.is_initialized()


def get_world_size() -> int:
    """Return the number of processes."""
    return dist.get_world_size() if is_distributed() else 1


def get_rank() -> int:
    """Return the rank of this process in the world group."""
    return dist.get_rank() if is_distributed() else 0


def create_local_process_group(num_workers_per_machine: int) -> None:
    """Create the group of the processes on this machine. Every process must call this once.

    Args:
        num_workers_per_machine: Number of processes per machine, with consecutive ranks.

    Raises:
        RuntimeError: If the group exists already, or the world size is not a multiple of the machine size.
    """
    if _local_group:
        raise RuntimeError("create_local_process_group: the local process group exists already")
    size = get_world_size()
    if size % num_workers_per_machine:
        raise RuntimeError(
            f"create_local_process_group: num_workers_per_machine must divide the world size {size}, "
            f"got {num_workers_per_machine}"
        )
    for first in range(0, size, num_workers_per_machine):
        ranks = list(range(first, first + num_workers_per_machine))
        group = dist.new_group(ranks)
        if get_rank() in ranks:
            _local_group.append(group)


def forget_local_process_group() -> None:
    """Release the local group. Must be called when the process group is destroyed."""
    _local_group.clear()


def get_local_process_group() -> dist.ProcessGroup:
    """Return the group created by `create_local_process_group`.

    Raises:
        RuntimeError: If the group does not exist.
    """
    if not _local_group:
        raise RuntimeError(
            "get_local_process_group: no local process group; start the processes with detectory.engine.launch"
        )
    return _local_group[0]


def get_local_rank() -> int:
    """Return the rank of this process on its machine."""
    if not is_distributed():
        return 0
    if _local_group:
        return dist.get_rank(group=_local_group[0])
    return int(os.environ.get("LOCAL_RANK", get_rank()))


def get_local_size() -> int:
    """Return the number of processes on this machine."""
    if not is_distributed():
        return 1
    if _local_group:
        return dist.get_world_size(group=_local_group[0])
    return int(os.environ.get("LOCAL_WORLD_SIZE", get_world_size()))


def is_main_process() -> bool:
    """Return whether this process has rank 0, which writes files and logs."""
    return get_rank() == 0
