"""Precise batch normalisation during a training."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

from torch import nn

from detectory.core.events import EventStorage
from detectory.engine.precise_batch_norm import get_bn_modules, update_bn_stats
from detectory.engine.random_state import undisturbed_random_state
from detectory.engine.trainer import HookBase

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
