"""Differentiable collectives under fvcore's module path."""

from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.nn import functional as collectives

__all__ = ["differentiable_all_gather", "differentiable_all_reduce"]


def differentiable_all_gather(input: torch.Tensor) -> torch.Tensor:
    """Concatenate the tensors of all processes along the first dimension, with gradients to every process.

    Args:
        input: `(N, …)`, of equal shape in all processes.
    """
    return input if _size() == 1 else torch.cat(collectives.all_gather(input), dim=0)


def differentiable_all_reduce(input: torch.Tensor) -> torch.Tensor:
    """Sum a tensor over all processes, with gradients to every process."""
    return input if _size() == 1 else collectives.all_reduce(input, op=dist.ReduceOp.SUM)


def _size() -> Any:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
