"""DistributedDataParallel with optional gradient compression."""

from typing import Any

import torch
from torch.nn.parallel import DistributedDataParallel

from detectory.core.distributed import get_local_rank, get_world_size


def create_ddp_model(
    model: torch.nn.Module, *, fp16_compression: bool = False, bf16_compression: bool = False, **kwargs: Any
) -> torch.nn.Module | DistributedDataParallel:
    """Wrap a model in `DistributedDataParallel`. With a single process, the model is returned unchanged.

    Args:
        model: The model, on its device.
        fp16_compression: Exchange gradients as float16.
        bf16_compression: Exchange gradients as bfloat16, which has the range of float32. NCCL only.
        kwargs: Further arguments of `DistributedDataParallel`: `find_unused_parameters=True` if some parameters get
            no gradient in some iterations, `static_graph=True` if the same parameters are used in every iteration,
            which saves time and memory.

    Raises:
        ValueError: If both compressions are enabled.
    """
    if fp16_compression and bf16_compression:
        raise ValueError("create_ddp_model: fp16_compression and bf16_compression are mutually exclusive")
    if get_world_size() == 1:
        return model
    on_gpu = next(model.parameters()).device.type == "cuda"
    if on_gpu and "device_ids" not in kwargs:
        kwargs["device_ids"] = [get_local_rank()]
    parallel = DistributedDataParallel(model, **kwargs)
    if fp16_compression or bf16_compression:
        from torch.distributed.algorithms.ddp_comm_hooks import default_hooks

        hook = default_hooks.fp16_compress_hook if fp16_compression else default_hooks.bf16_compress_hook
        parallel.register_comm_hook(state=None, hook=hook)
    return parallel
