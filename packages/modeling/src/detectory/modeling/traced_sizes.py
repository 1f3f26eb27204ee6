"""Arithmetic of tensor sizes that also works under `torch.jit.trace`, where sizes are tensors."""

from typing import Any

from torch import Tensor


def at_most(count: int | Tensor, limit: int) -> Any:
    """Return the smaller number. Under `torch.jit.trace` sizes are tensors, and the result must remain one."""
    return count.clamp(max=limit) if isinstance(count, Tensor) else min(count, limit)
