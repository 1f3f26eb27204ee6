"""Learning rate schedulers."""

import math
from bisect import bisect_right

import torch
from torch.optim.lr_scheduler import LRScheduler

from detectory.engine.schedules import (
    CompositeParamScheduler,
    ConstantParamScheduler,
    LinearParamScheduler,
    LRMultiplier,
    ParamScheduler,
    WarmupParamScheduler,
)

__all__ = [
    "CompositeParamScheduler",
    "ConstantParamScheduler",
    "LRMultiplier",
    "LRScheduler",
    "LinearParamScheduler",
    "ParamScheduler",
    "WarmupCosineLR",
    "WarmupMultiStepLR",
    "WarmupParamScheduler",
]


def _get_warmup_factor_at_iter(method: str, iter: int, warmup_iters: int, warmup_factor: float) -> float:
    """Return the warm-up factor of the learning rate, 1 after the warm-up."""
    if iter >= warmup_iters:
        return 1.0
    if method == "constant":
        return warmup_factor
    if method == "linear":
        progress = iter / warmup_iters
        return warmup_factor * (1 - progress) + progress
    raise ValueError(f"warmup_method must be 'constant' or 'linear', got {method!r}")


class WarmupMultiStepLR(LRScheduler):
    """Multi-step decay after a warm-up; `WarmupParamScheduler` supports any schedule.

    Args:
        optimizer: The optimizer.
        milestones: Iterations of the decays, ascending.
        gamma: Factor per milestone.
        warmup_factor: Factor at iteration 0.
        warmup_iters: Number of warm-up iterations.
        warmup_method: `"linear"` or `"constant"`.
        last_epoch: Last completed iteration, or -1.

    Raises:
        ValueError: If the milestones are not ascending.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        milestones: list[int],
        gamma: float = 0.1,
        warmup_factor: float = 0.001,
        warmup_iters: int = 1000,
        warmup_method: str = "linear",
        last_epoch: int = -1,
    ) -> None:
        if list(milestones) != sorted(milestones):
            raise ValueError(f"WarmupMultiStepLR: milestones must be ascending, got {milestones}")
        self.milestones, self.gamma = milestones, gamma
        self.warmup_factor, self.warmup_iters, self.warmup_method = warmup_factor, warmup_iters, warmup_method
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float | torch.Tensor]:
        """Return the learning rate of each parameter group."""
        warmup = _get_warmup_factor_at_iter(self.warmup_method, self.last_epoch, self.warmup_iters, self.warmup_factor)
        steps = self.gamma ** bisect_right(self.milestones, self.last_epoch)
        return [base * warmup * steps for base in self.base_lrs]

    def _compute_values(self) -> list[float | torch.Tensor]:
        return self.get_lr()


class WarmupCosineLR(LRScheduler):
    """Cosine decay to zero after a warm-up; `WarmupParamScheduler` supports any schedule.

    Args:
        optimizer: The optimizer.
        max_iters: Total number of iterations.
        warmup_factor: Factor at iteration 0.
        warmup_iters: Number of warm-up iterations.
        warmup_method: `"linear"` or `"constant"`.
        last_epoch: Last completed iteration, or -1.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        max_iters: int,
        warmup_factor: float = 0.001,
        warmup_iters: int = 1000,
        warmup_method: str = "linear",
        last_epoch: int = -1,
    ) -> None:
        self.max_iters = max_iters
        self.warmup_factor, self.warmup_iters, self.warmup_method = warmup_factor, warmup_iters, warmup_method
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float | torch.Tensor]:
        """Return the learning rate of each parameter group."""
        warmup = _get_warmup_factor_at_iter(self.warmup_method, self.last_epoch, self.warmup_iters, self.warmup_factor)
        cosine = 0.5 * (1.0 + math.cos(math.pi * self.last_epoch / self.max_iters))
        return [base * warmup * cosine for base in self.base_lrs]

    def _compute_values(self) -> list[float | torch.Tensor]:
        return self.get_lr()
