"""Ranks, barriers and exchange of Python objects between the processes of one training.

Everything works without a process group too: then there is one process of rank 0.
"""

import os
from typing import Any

import torch.distributed as dist

_local_group: list[Any] = []


def is_distributed() -> bool:
    """Say whether a process group is open."""
    return dist.is_available() and dist.is_initialized()


def get_world_size() -> int:
    """Return the number of processes."""
    return dist.get_world_size() if is_distributed() else 1


def get_rank() -> int:
    """Return the number of this process among all, from 0."""
    return dist.get_rank() if is_distributed() else 0


def create_local_process_group(num_workers_per_machine: int) -> None:
    """Make the group of the processes on this machine; every process must call it, once.

    Args:
        num_workers_per_machine: How many processes each machine runs; their ranks must follow each other.

    Raises:
        RuntimeError: the group exists already, or the processes do not divide into machines of that size.
    """
    if _local_group:
        raise RuntimeError("create_local_process_group: the local group exists already")
    size = get_world_size()
    if size % num_workers_per_machine:
        raise RuntimeError(
            f"create_local_process_group: {size} processes do not divide into machines of {num_workers_per_machine}"
        )
    for first in range(0, size, num_workers_per_machine):
        ranks = list(range(first, first + num_workers_per_machine))
        group = dist.new_group(ranks)
        if get_rank() in ranks:
            _local_group.append(group)


def forget_local_process_group() -> None:
    """Forget the local group, as its process group is closed."""
    _local_group.clear()


def get_local_process_group() -> dist.ProcessGroup:
    """Return the group that `create_local_process_group` made.

    Raises:
        RuntimeError: there is none.
    """
    if not _local_group:
        raise RuntimeError("get_local_process_group: no local group; start the processes with detectory.engine.launch")
    return _local_group[0]


def get_local_rank() -> int:
    """Return the number of this process among those of its machine, from 0."""
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
    """Say whether this process is the one that writes files and logs: rank 0."""
    return get_rank() == 0
