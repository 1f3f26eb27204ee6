"""Polynomial learning rate schedule with warm-up."""

import torch
from torch.optim.lr_scheduler import LRScheduler

from detectory.compat.detectron2.solver.lr_scheduler import _get_warmup_factor_at_iter

__all__ = ["WarmupPolyLR"]


class WarmupPolyLR(LRScheduler):
    """Learning rate `(1 - iteration / max_iters) ** power` after a warm-up.

    Args:
        optimizer: The optimizer.
        max_iters: Total number of iterations.
        warmup_factor: Factor at iteration 0.
        warmup_iters: Number of warm-up iterations.
        warmup_method: `"linear"` or `"constant"`.
        last_epoch: Last completed iteration, or -1.
        power: The exponent.
        constant_ending: Minimum factor after the warm-up; 0 decays to zero.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        max_iters: int,
        warmup_factor: float = 0.001,
        warmup_iters: int = 1000,
        warmup_method: str = "linear",
        last_epoch: int = -1,
        power: float = 0.9,
        constant_ending: float = 0.0,
    ) -> None:
        self.max_iters, self.power, self.constant_ending = max_iters, power, constant_ending
        self.warmup_factor, self.warmup_iters, self.warmup_method = warmup_factor, warmup_iters, warmup_method
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float | torch.Tensor]:
        """Return the learning rate of each parameter group."""
        warmup = _get_warmup_factor_at_iter(self.warmup_method, self.last_epoch, self.warmup_iters, self.warmup_factor)
        # Clamped because some programs take one more step after max_iters.
        left = max(1.0 - self.last_epoch / self.max_iters, 0.0) ** self.power
        if warmup == 1.0:
            left = max(left, self.constant_ending)
        return [base * warmup * left for base in self.base_lrs]
