"""Batch normalisation's statistics as true means over many batches instead of a moving average.

Source: Wu and Johnson, "Rethinking 'Batch' in BatchNorm", 2021, section 3.
"""

import itertools
import logging
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from detectory.core.events import EventStorage
from detectory.engine.trainers.random_state import undisturbed_random_state
from detectory.engine.trainers.training_loop import HookBase

_logger = logging.getLogger(__name__)


class PreciseBN(HookBase):
    """Replaces the moving averages of batch normalisation by true means, every `period` iterations and at the end.

    It should come before the hooks that evaluate and save.

    Args:
        period: Iterations between two updates; 0 updates at the end only.
        model: Its batch normalisations in training mode are updated.
        data_loader: Batches that `model` takes; each update continues where the last one stopped.
        num_iter: Batches for one update.
    """

    def __init__(self, period: int, model: nn.Module, data_loader: Iterable[Any], num_iter: int) -> None:
        self._period = period
        self._model = model
        self._loader = data_loader
        self._num_iter = num_iter
        self._disabled = not get_bn_modules(model)
        if self._disabled:
            _logger.info("PreciseBN is off: the model has no batch normalisation in training mode")
        self._iterator: Iterator[Any] | None = None

    def after_step(self) -> None:
        """Update when it is time."""
        done = self.trainer.iter + 1
        if done == self.trainer.max_iter or (self._period > 0 and done % self._period == 0):
            self.update_stats()

    def update_stats(self) -> None:
        """Update now; the losses of these batches do not enter the training's storage."""
        if self._disabled:
            return
        with undisturbed_random_state(), EventStorage():
            if self._iterator is None:
                self._iterator = iter(self._loader)
            update_bn_stats(self._model, self._iterator, self._num_iter)


def get_bn_modules(model: nn.Module) -> list[nn.Module]:
    """Return the batch normalisations of a model that are in training mode and keep statistics."""
    return [
        module
        for module in model.modules()
        if isinstance(module, _BatchNorm) and module.training and module.track_running_stats
    ]


class _MeanStatistics:
    """Collects the mean and the variance of one layer's batches."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.values = 0
        self.hook = module.register_forward_pre_hook(self._count)
        self.mean = torch.zeros_like(module.running_mean)
        self.mean_of_squares = torch.zeros_like(module.running_var)
        self.batches = 0

    def add(self) -> None:
        """Take the statistics of the batch that has just run; momentum 1 makes them the layer's own."""
        mean = self.module.running_mean
        # The layer keeps the unbiased variance of the batch; means of squares need the plain one.
        variance = self.module.running_var * ((self.values - 1) / self.values)
        self.batches += 1
        self.mean += (mean - self.mean) / self.batches
        self.mean_of_squares += (variance + mean.square() - self.mean_of_squares) / self.batches

    def _count(self, _: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        self.values = inputs[0].numel() // inputs[0].shape[1]

    def apply(self) -> None:
        self.module.running_mean.copy_(self.mean)
        self.module.running_var.copy_(self.mean_of_squares - self.mean.square())


@torch.no_grad()
def update_bn_stats(
    model: nn.Module, data_loader: Iterable[Any], num_iters: int = 200, progress: str | None = None
) -> None:
    """Replace the running statistics of all batch normalisations in training mode by means over `num_iters` batches.

    Mean and variance are those of all batches taken as one, when batches are equally large. Other layers with a state
    that changes in the forward pass change theirs.

    Args:
        model: Its parameters stay as they are.
        data_loader: Batches that `model` takes.
        num_iters: The number of batches.
        progress: `"log"` logs the progress every tenth of the way, None is silent.

    Raises:
        ValueError: the loader ends before `num_iters` batches, or `progress` is another word.
    """
    if progress not in (None, "log", "tqdm"):
        raise ValueError(f"update_bn_stats: progress must be None or 'log', got '{progress}'")
    modules: list[Any] = get_bn_modules(model)
    if not modules:
        return
    collected = [_MeanStatistics(module) for module in modules]
    momenta = [module.momentum for module in modules]
    done = 0
    try:
        for module in modules:
            module.momentum = 1.0
        for batch in itertools.islice(data_loader, num_iters):
            model(batch)
            for statistics in collected:
                statistics.add()
            done += 1
            if progress and done % max(num_iters // 10, 1) == 0:
                _logger.info("batch statistics: %d of %d batches", done, num_iters)
    finally:
        for module, momentum in zip(modules, momenta, strict=True):
            module.momentum = momentum
        for statistics in collected:
            statistics.hook.remove()
    if done < num_iters:
        raise ValueError(f"update_bn_stats: data_loader ended after {done} of {num_iters} batches")
    for statistics in collected:
        statistics.apply()
