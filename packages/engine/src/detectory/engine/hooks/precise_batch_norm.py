"""PreciseBN: batch normalisation statistics averaged over many batches instead of a moving average.

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
from detectory.engine.trainers.random_state import preserved_random_state
from detectory.engine.trainers.training_loop import HookBase

_logger = logging.getLogger(__name__)


class PreciseBN(HookBase):
    """Replaces the running statistics of batch normalisation by averages, every `period` iterations and at the end.

    Should be registered before the hooks that evaluate and save.

    Args:
        period: Number of iterations between updates. 0 updates only at the end.
        model: The model, whose batch normalisation layers in training mode are updated.
        data_loader: Batches for the model. Each update continues where the previous one stopped.
        num_iter: Number of batches per update.
    """

    def __init__(self, period: int, model: nn.Module, data_loader: Iterable[Any], num_iter: int) -> None:
        self._period = period
        self._model = model
        self._loader = data_loader
        self._num_iter = num_iter
        self._disabled = not get_bn_modules(model)
        if self._disabled:
            _logger.info("PreciseBN is disabled: the model has no batch normalisation in training mode")
        self._iterator: Iterator[Any] | None = None

    def after_step(self) -> None:
        """Update if the period has elapsed."""
        done = self.trainer.iter + 1
        if done == self.trainer.max_iter or (self._period > 0 and done % self._period == 0):
            self.update_stats()

    def update_stats(self) -> None:
        """Update the statistics now. Losses of these batches are not logged."""
        if self._disabled:
            return
        with preserved_random_state(), EventStorage():
            if self._iterator is None:
                self._iterator = iter(self._loader)
            update_bn_stats(self._model, self._iterator, self._num_iter)


def get_bn_modules(model: nn.Module) -> list[nn.Module]:
    """Return the batch normalisation layers that are in training mode and track running statistics."""
    return [
        module
        for module in model.modules()
        if isinstance(module, _BatchNorm) and module.training and module.track_running_stats
    ]


class _MeanStatistics:
    """Accumulates the mean and variance of one layer over batches."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.values = 0
        self.hook = module.register_forward_pre_hook(self._count)
        self.mean = torch.zeros_like(module.running_mean)
        self.mean_of_squares = torch.zeros_like(module.running_var)
        self.batches = 0

    def add(self) -> None:
        """Add the statistics of the last batch, which are the layer's running statistics because momentum is 1."""
        mean = self.module.running_mean
        # The layer stores the unbiased variance, but averaging squares requires the biased one.
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
    """Replace the running statistics of batch normalisation layers in training mode by averages over batches.

    With batches of equal size, the result is the mean and variance of all batches combined. Other layers that change
    their state in the forward pass change it here too.

    Args:
        model: The model; its parameters are not changed.
        data_loader: Batches for the model.
        num_iters: Number of batches.
        progress: `"log"` logs the progress at every tenth of the batches; None logs nothing.

    Raises:
        ValueError: If the loader has fewer than `num_iters` batches, or `progress` is unknown.
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
                _logger.info("batch normalisation statistics: batch %d of %d", done, num_iters)
    finally:
        for module, momentum in zip(modules, momenta, strict=True):
            module.momentum = momentum
        for statistics in collected:
            statistics.hook.remove()
    if done < num_iters:
        raise ValueError(f"update_bn_stats: data_loader ended after {done} of {num_iters} batches")
    for statistics in collected:
        statistics.apply()
