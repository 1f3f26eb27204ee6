"""Barriers and the exchange of Python objects and tensors between processes.

Every function also works without a process group, as if there were one process of rank 0.
"""

import weakref
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from detectory.core.distributed.collective_errors import named_collective
from detectory.core.distributed.process_group import get_world_size

# Held weakly: a group that outlives destroy_process_group has threads that abort the process as it ends.
_gloo_beside: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def synchronize() -> None:
    """Wait until every process has come here."""
    if get_world_size() == 1:
        return
    with named_collective("synchronize"):
        if dist.get_backend() == dist.Backend.NCCL:
            # NCCL guesses a device otherwise, and two processes may guess the same.
            dist.barrier(device_ids=[torch.cuda.current_device()])
        else:
            dist.barrier()


def _objects_group() -> Any:
    """Return a group for Python objects: they live on the CPU, which NCCL does not serve."""
    world = dist.group.WORLD
    if dist.get_backend() != dist.Backend.NCCL:
        return world
    if world not in _gloo_beside:
        _gloo_beside[world] = dist.new_group(backend="gloo")
    return _gloo_beside[world]


def all_gather(data: Any, group: Any = None) -> list[Any]:
    """Return the `data` of every process, in the order of ranks, in every process.

    Args:
        data: Any object that can be pickled.
        group: The processes that take part, all by default.
    """
    if get_world_size() == 1:
        return [data]
    group = group or _objects_group()
    size = dist.get_world_size(group)
    if size == 1:
        return [data]
    gathered: list[Any] = [None] * size
    with named_collective("all_gather"):
        dist.all_gather_object(gathered, data, group=group)
    return gathered


def gather(data: Any, dst: int = 0, group: Any = None) -> list[Any]:
    """Return the `data` of every process, in the order of ranks, in process `dst`; an empty list elsewhere.

    Args:
        data: Any object that can be pickled.
        dst: The rank of the process that receives.
        group: The processes that take part, all by default.
    """
    if get_world_size() == 1:
        return [data]
    group = group or _objects_group()
    size = dist.get_world_size(group)
    if size == 1:
        return [data]
    receives = dist.get_rank() == dst
    gathered: list[Any] | None = [None] * size if receives else None
    with named_collective("gather"):
        dist.gather_object(data, gathered, dst=dst, group=group)
    return gathered if gathered is not None else []


def shared_random_seed() -> int:
    """Return a random number below 2**31 that is the same in all processes; all of them must call this."""
    return all_gather(int(np.random.randint(2**31)))[0]


def reduce_dict(input_dict: dict[str, torch.Tensor], average: bool = True) -> dict[str, torch.Tensor]:
    """Return the mean (or the sum) over processes of each tensor, in process 0; other processes get partial sums.

    Args:
        input_dict: Scalar tensors of one dtype and device, the same names in every process.
        average: Mean instead of sum.
    """
    size = get_world_size()
    if size == 1:
        return input_dict
    with torch.no_grad():
        # One collective in the order of names, which need not be the order of insertion in every process.
        names = sorted(input_dict)
        values = torch.stack([input_dict[name] for name in names])
        with named_collective("reduce_dict"):
            dist.reduce(values, dst=0)
        if average and dist.get_rank() == 0:
            values /= size
    return dict(zip(names, values, strict=True))
