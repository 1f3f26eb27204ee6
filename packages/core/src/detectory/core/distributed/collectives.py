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

# NCCL world group -> gloo group for objects. Weak keys: a group that outlives destroy_process_group keeps its
# communication threads, which abort the process at interpreter exit.
_gloo_groups: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def synchronize() -> None:
    """Block until all processes reach this call."""
    if get_world_size() == 1:
        return
    with named_collective("synchronize"):
        if dist.get_backend() == dist.Backend.NCCL:
            # Without device_ids, NCCL guesses a device, possibly the same one for two processes.
            dist.barrier(device_ids=[torch.cuda.current_device()])
        else:
            dist.barrier()


def _objects_group() -> Any:
    """Return a group that can exchange Python objects. NCCL cannot: it has no CPU tensors."""
    world = dist.group.WORLD
    if dist.get_backend() != dist.Backend.NCCL:
        return world
    if world not in _gloo_groups:
        _gloo_groups[world] = dist.new_group(backend="gloo")
    return _gloo_groups[world]


def all_gather(data: Any, group: Any = None) -> list[Any]:
    """Return the `data` of all processes in rank order, in every process.

    Args:
        data: Any picklable object.
        group: The participating processes; all by default.
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
    """Return the `data` of all processes in rank order in process `dst`, and an empty list in the others.

    Args:
        data: Any picklable object.
        dst: The rank of the receiving process.
        group: The participating processes; all by default.
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
    """Return a random integer in [0, 2**31) that is the same in all processes. All processes must call this."""
    return all_gather(int(np.random.randint(2**31)))[0]


def reduce_dict(input_dict: dict[str, torch.Tensor], average: bool = True) -> dict[str, torch.Tensor]:
    """Return the mean or sum of each tensor over all processes, in process 0. Other processes get partial sums.

    Args:
        input_dict: Scalar tensors of the same dtype and device, with the same names in every process.
        average: Return the mean instead of the sum.
    """
    size = get_world_size()
    if size == 1:
        return input_dict
    with torch.no_grad():
        # A single collective in sorted order: the insertion order may differ between processes.
        names = sorted(input_dict)
        values = torch.stack([input_dict[name] for name in names])
        with named_collective("reduce_dict"):
            dist.reduce(values, dst=0)
        if average and dist.get_rank() == 0:
            values /= size
    return dict(zip(names, values, strict=True))
