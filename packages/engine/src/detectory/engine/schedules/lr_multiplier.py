"""A torch scheduler that multiplies the optimizer's learning rates by a schedule's value."""

from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler

from detectory.engine.schedules.param_schedulers import ParamScheduler


class LRMultiplier(LRScheduler):
    """Sets each parameter group's learning rate to its first value times a schedule's value, in every iteration.

    The rates of groups may differ; their ratios stay.

    Args:
        optimizer: the optimizer.
        multiplier: the schedule.
        max_iter: the number of iterations in all.
        last_iter: the iteration that was run last, -1 for none.

    Raises:
        TypeError: ``multiplier`` is no schedule.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, multiplier: ParamScheduler, max_iter: int, last_iter: int = -1
    ) -> None:
        if not isinstance(multiplier, ParamScheduler):
            raise TypeError(f"LRMultiplier: multiplier must be a ParamScheduler, got {type(multiplier).__name__}")
        self._multiplier = multiplier
        self._max_iter = max_iter
        super().__init__(optimizer, last_epoch=last_iter)

    def get_lr(self) -> list[float | torch.Tensor]:
        """Return the learning rate of each group in the current iteration."""
        multiplier = self._multiplier(self.last_epoch / self._max_iter)
        return [base * multiplier for base in self.base_lrs]

    def state_dict(self) -> dict[str, Any]:
        """Return the first rates and the iteration; the schedule itself is part of the configuration."""
        return {"base_lrs": self.base_lrs, "last_epoch": self.last_epoch}
