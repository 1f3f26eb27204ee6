"""A torch scheduler that multiplies the optimizer's learning rates by a schedule's value."""

from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler

from detectory.engine.schedules.param_schedulers import ParamScheduler


class LRMultiplier(LRScheduler):
    """Sets each parameter group's learning rate to its first value times a schedule's value, in every iteration.

    The rates of groups may differ; their ratios stay.

    Args:
        optimizer: The optimizer.
        multiplier: The schedule.
        max_iter: The number of iterations in all.
        last_iter: The iteration that was run last, -1 for none.

    Raises:
        TypeError: `multiplier` is no schedule.
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

    def step(self, epoch: int | None = None) -> None:
        """Go to the next iteration, or to iteration `epoch`, and set the rates.

        Unlike torch's own it does not warn when the first update was left out, as float16's scaler does while it looks
        for its scale: the rate is a function of the iteration, nothing of the schedule is lost.
        """
        self._step_count = getattr(self, "_step_count", 0) + 1
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        rates = self.get_lr()
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate
        self._last_lr = rates

    def state_dict(self) -> dict[str, Any]:
        """Return the first rates and the iteration; the schedule itself is part of the configuration."""
        return {"base_lrs": self.base_lrs, "last_epoch": self.last_epoch}
