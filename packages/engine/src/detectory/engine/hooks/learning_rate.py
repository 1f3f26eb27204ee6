"""LRScheduler: updates and logs the learning rate."""

import warnings
from collections import Counter
from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler as TorchScheduler

from detectory.engine.schedules import LRMultiplier, ParamScheduler
from detectory.engine.trainers.training_loop import HookBase


class LRScheduler(HookBase):
    """Steps a scheduler after each iteration and logs the learning rate as `lr`.

    Args:
        optimizer: The optimizer; by default the trainer's.
        scheduler: A torch scheduler, or a `ParamScheduler` that returns the factor of the optimizer's learning rates.
            By default the trainer's.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer | None = None,
        scheduler: TorchScheduler | ParamScheduler | None = None,
    ) -> None:
        self._optimizer = optimizer
        self._scheduler = scheduler
        self._group = 0

    def before_train(self) -> None:
        """Resolve the optimizer and the scheduler, and set the learning rate of the first iteration."""
        optimizer = self._optimizer or self.trainer.optimizer
        self._optimizer = optimizer
        if isinstance(self.scheduler, ParamScheduler):
            # The factor depends only on the iteration, so resuming requires no scheduler state.
            self._scheduler = LRMultiplier(
                optimizer, self.scheduler, self.trainer.max_iter, last_iter=self.trainer.iter - 1
            )
        self._group = self.get_best_param_group_id(optimizer)

    @staticmethod
    def get_best_param_group_id(optimizer: torch.optim.Optimizer) -> int:
        """Return the index of the parameter group with the most representative learning rate.

        This is the group with the most parameters. If every group has one parameter, it is the first group with the
        most common learning rate.
        """
        sizes = [len(group["params"]) for group in optimizer.param_groups]
        if max(sizes) > 1:
            return sizes.index(max(sizes))
        rates = [group["lr"] for group in optimizer.param_groups]
        return rates.index(Counter(rates).most_common(1)[0][0])

    def after_step(self) -> None:
        """Log the learning rate of this iteration and set that of the next."""
        assert self._optimizer is not None, "before_train has run"
        rate = self._optimizer.param_groups[self._group]["lr"]
        self.trainer.storage.put_scalar("lr", rate, smoothing_hint=False)
        if self.trainer.iter > self.trainer.start_iter:
            self.scheduler.step()
            return
        with warnings.catch_warnings():
            # The float16 scaler skips the first updates while it searches for its scale; torch warns about these.
            warnings.filterwarnings("ignore", message=r"Detected call of `lr_scheduler\.step\(\)` before")
            self.scheduler.step()

    @property
    def scheduler(self) -> Any:
        """The scheduler passed to the constructor, or the trainer's."""
        return self._scheduler or self.trainer.scheduler

    def state_dict(self) -> dict[str, Any]:
        """Return the state of a torch scheduler; a `ParamScheduler` has none."""
        return self.scheduler.state_dict() if isinstance(self.scheduler, TorchScheduler) else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of a torch scheduler."""
        if isinstance(self.scheduler, TorchScheduler):
            self.scheduler.load_state_dict(state)
