"""Schedules of the learning rate."""

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


def _get_warmup_factor_at_iter(method: str, iteration: int, warmup_iters: int, warmup_factor: float) -> float:
    """Return the factor of the learning rate during the warm-up, 1 after it."""
    if iteration >= warmup_iters:
        return 1.0
    if method == "constant":
        return warmup_factor
    if method == "linear":
        share = iteration / warmup_iters
        return warmup_factor * (1 - share) + share
    raise ValueError(f"warmup_method must be 'constant' or 'linear', got {method!r}")


class WarmupMultiStepLR(LRScheduler):
    """Steps down at milestones after a warm-up; `WarmupParamScheduler` serves any schedule.

    Args:
        optimizer: The optimizer.
        milestones: Ascending iterations.
        gamma: Factor at each of them.
        warmup_factor: Factor at iteration 0.
        warmup_iters: Length of the warm-up.
        warmup_method: `"linear"` or `"constant"`.
        last_epoch: The iteration run last, -1 for none.

    Raises:
        ValueError: the milestones do not ascend.
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
            raise ValueError(f"WarmupMultiStepLR: milestones must ascend, got {milestones}")
        self.milestones, self.gamma = milestones, gamma
        self.warmup_factor, self.warmup_iters, self.warmup_method = warmup_factor, warmup_iters, warmup_method
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float | torch.Tensor]:
        """Return the rate of each parameter group."""
        warmup = _get_warmup_factor_at_iter(self.warmup_method, self.last_epoch, self.warmup_iters, self.warmup_factor)
        steps = self.gamma ** bisect_right(self.milestones, self.last_epoch)
        return [base * warmup * steps for base in self.base_lrs]


class WarmupCosineLR(LRScheduler):
    """Falls along half a cosine to zero after a warm-up; `WarmupParamScheduler` serves any schedule.

    Args:
        optimizer: The optimizer.
        max_iters: Iterations in all.
        warmup_factor: Factor at iteration 0.
        warmup_iters: Length of the warm-up.
        warmup_method: `"linear"` or `"constant"`.
        last_epoch: The iteration run last, -1 for none.
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
        """Return the rate of each parameter group."""
        warmup = _get_warmup_factor_at_iter(self.warmup_method, self.last_epoch, self.warmup_iters, self.warmup_factor)
        cosine = 0.5 * (1.0 + math.cos(math.pi * self.last_epoch / self.max_iters))
        return [base * warmup * cosine for base in self.base_lrs]
