"""Trainers that do not need a config, under Detectron2's module path, with the methods that projects override."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

from detectory import engine as native
from detectory.compat.detectron2.utils import comm
from detectory.compat.detectron2.utils.events import EventStorage, get_event_storage
from detectory.compat.detectron2.utils.logger import _log_api_usage
from detectory.engine import HookBase, TrainerBase

__all__ = [
    "AMPTrainer",
    "EventStorage",
    "HookBase",
    "SimpleTrainer",
    "TrainerBase",
    "_log_api_usage",
    "comm",
    "get_event_storage",
]

#: Positional arguments of `AMPTrainer` after the optimizer, up to and including `precision`.
_POSITION_OF_PRECISION = 4


class SimpleTrainer(native.SimpleTrainer):
    """`detectory.engine.SimpleTrainer` that reads batches from `_data_loader_iter` and calls `_write_metrics`."""

    @property
    def _data_loader_iter(self) -> Iterator[Any]:
        """Iterator over the data loader, created on first access."""
        if self._iterator is None:
            self._iterator = iter(self.data_loader)
        return self._iterator

    @_data_loader_iter.setter
    def _data_loader_iter(self, iterator: Iterator[Any]) -> None:
        self._iterator = iterator

    def next_batch(self) -> Any:
        """Return the next batch.

        Raises:
            RuntimeError: If the data loader ends; training needs an infinite one.
        """
        try:
            self.last_batch = next(self._data_loader_iter)
        except StopIteration as error:
            raise RuntimeError(
                f"{type(self).__name__}: data_loader must be infinite, it ended in iteration {self.iter}"
            ) from error
        return self.last_batch

    def _put_metrics(self, loss_dict: Mapping[str, torch.Tensor], data_time: float) -> None:
        if type(self)._write_metrics is SimpleTrainer._write_metrics:
            super()._put_metrics(loss_dict, data_time)
        else:
            self._write_metrics(loss_dict, data_time)

    def _write_metrics(
        self, loss_dict: Mapping[str, torch.Tensor], data_time: float, prefix: str = "", iter: int | None = None
    ) -> None:
        """Write the losses to the event storage every `gather_metric_period` iterations.

        Args:
            loss_dict: Scalar losses.
            data_time: Seconds spent waiting for data.
            prefix: Prefix of `total_loss`.
            iter: Iteration; the current one by default.

        Raises:
            FloatingPointError: If a loss is NaN or infinite.
        """
        iteration = self.iter if iter is None else iter
        if (iteration + 1) % self.gather_metric_period == 0:
            self.write_metrics(loss_dict, data_time, iteration, prefix)


class AMPTrainer(SimpleTrainer, native.AMPTrainer):
    """`detectory.engine.AMPTrainer` that reads batches from `_data_loader_iter` and calls `_write_metrics`.

    As in Detectron2, the default precision on GPUs is float16.
    """

    def __init__(
        self, model: nn.Module, data_loader: Iterable[Any], optimizer: torch.optim.Optimizer, *args: Any, **kwargs: Any
    ) -> None:
        if next(model.parameters()).is_cuda and len(args) < _POSITION_OF_PRECISION:
            kwargs.setdefault("precision", torch.float16)
        super().__init__(model, data_loader, optimizer, *args, **kwargs)
