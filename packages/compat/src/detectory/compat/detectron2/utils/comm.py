"""Inter-process communication under Detectron2's module path."""

import functools
import pickle
import sys
from types import ModuleType
from typing import Any

import torch
import torch.distributed as dist

from detectory.core.distributed import (
    all_gather,
    create_local_process_group,
    gather,
    get_local_process_group,
    get_local_rank,
    get_local_size,
    get_rank,
    get_world_size,
    is_main_process,
    process_group,
    reduce_dict,
    shared_random_seed,
    synchronize,
)

__all__ = [
    "_MISSING_LOCAL_PG_ERROR",
    "_get_global_gloo_group",
    "all_gather",
    "create_local_process_group",
    "gather",
    "get_local_process_group",
    "get_local_rank",
    "get_local_size",
    "get_rank",
    "get_world_size",
    "is_main_process",
    "reduce_dict",
    "shared_random_seed",
    "synchronize",
]

_MISSING_LOCAL_PG_ERROR = (
    "the local process group does not exist; start the processes with launch(), or call create_local_process_group()"
)


@functools.lru_cache
def _get_global_gloo_group() -> Any:
    """Return a process group with the gloo backend that contains all processes."""
    return dist.new_group(backend="gloo") if dist.get_backend() == "nccl" else dist.group.WORLD


def _serialize_to_tensor(data: Any, group: Any) -> torch.Tensor:
    """Return the pickled object as uint8 tensor on the device that the backend of `group` uses."""
    device = "cpu" if dist.get_backend(group) == "gloo" else "cuda"
    return torch.frombuffer(bytearray(pickle.dumps(data)), dtype=torch.uint8).to(device)


def _pad_to_largest_tensor(tensor: torch.Tensor, group: Any) -> tuple[list[int], torch.Tensor]:
    """Return the lengths of the 1-D tensors of all processes, and the tensor padded to the largest."""
    size = torch.tensor([tensor.numel()], dtype=torch.int64, device=tensor.device)
    sizes = [torch.zeros_like(size) for _ in range(dist.get_world_size(group))]
    dist.all_gather(sizes, size, group=group)
    lengths = [int(length) for length in sizes]
    return lengths, torch.nn.functional.pad(tensor, (0, max(lengths) - tensor.numel()))


class _CommModule(ModuleType):
    """Module with the local process group as an attribute, which launchers of some projects assign."""

    @property
    def _LOCAL_PROCESS_GROUP(self) -> Any:
        return process_group._local_group[0] if process_group._local_group else None

    @_LOCAL_PROCESS_GROUP.setter
    def _LOCAL_PROCESS_GROUP(self, group: Any) -> None:
        process_group._local_group[:] = [] if group is None else [group]


sys.modules[__name__].__class__ = _CommModule
