"""A learning rate that falls as a power of the part of the training that is left."""

import torch
from torch.optim.lr_scheduler import LRScheduler

from detectory.compat.detectron2.solver.lr_scheduler import _get_warmup_factor_at_iter

__all__ = ["WarmupPolyLR"]


class WarmupPolyLR(LRScheduler):
    """Falls as `(1 - iteration / max_iters) ** power` after a warm-up.

    Args:
        optimizer: The optimizer.
        max_iters: Iterations in all.
        warmup_factor: Factor at iteration 0.
        warmup_iters: Length of the warm-up.
        warmup_method: `"linear"` or `"constant"`.
        last_epoch: The iteration run last, -1 for none.
        power: The exponent.
        constant_ending: After the warm-up the factor does not fall below this; 0 lets it fall to zero.
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
        """Return the rate of each parameter group."""
        warmup = _get_warmup_factor_at_iter(self.warmup_method, self.last_epoch, self.warmup_iters, self.warmup_factor)
        # Programs that step once more at the very end would otherwise take a power of a negative number.
        left = max(1.0 - self.last_epoch / self.max_iters, 0.0) ** self.power
        if warmup == 1.0:
            left = max(left, self.constant_ending)
        return [base * warmup * left for base in self.base_lrs]
