"""LRMultiplier: a torch scheduler that multiplies learning rates by a schedule's value."""

from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler

from detectory.engine.schedules.param_schedulers import ParamScheduler


class LRMultiplier(LRScheduler):
    """Sets the learning rate of each parameter group to its initial value times the value of a schedule.

    The groups may have different learning rates; their ratios are preserved.

    Args:
        optimizer: The optimizer.
        multiplier: The schedule.
        max_iter: Total number of iterations.
        last_iter: The last completed iteration, -1 for none.

    Raises:
        TypeError: If `multiplier` is not a schedule.
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
        """Return the learning rates of all groups for the current iteration."""
        multiplier = self._multiplier(self.last_epoch / self._max_iter)
        return [base * multiplier for base in self.base_lrs]

    def step(self, epoch: int | None = None) -> None:
        """Advance to the next iteration, or to iteration `epoch`, and set the learning rates.

        Unlike torch's implementation, this does not warn if the optimizer has not stepped yet, which is normal while
        the float16 gradient scaler searches for its scale: the learning rate depends only on the iteration.
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
        """Return the initial learning rates and the iteration. The schedule itself is part of the config."""
        return {"base_lrs": self.base_lrs, "last_epoch": self.last_epoch}
