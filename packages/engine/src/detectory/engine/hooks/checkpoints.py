"""PeriodicCheckpointer and BestCheckpointer: checkpoints at fixed intervals and of the best model."""

import contextlib
import json
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from detectory.core.checkpoint import Checkpointer
from detectory.core.checkpoint import PeriodicCheckpointer as PeriodicSaver
from detectory.core.storage import atomic_write, read_json
from detectory.engine.trainers.training_loop import HookBase

_logger = logging.getLogger(__name__)


class PeriodicCheckpointer(PeriodicSaver, HookBase):
    """Saves every `period` iterations, at the end, and if the training is stopped early.

    All processes must register this hook, because each contributes its random state and data position. Only the main
    process writes.

    Args:
        checkpointer: Writes the files.
        period: Number of iterations between checkpoints.
        max_iter: Total number of iterations; by default the trainer's.
        max_to_keep: Number of most recent checkpoints to keep; None keeps all.
        file_prefix: Prefix of the file names.
    """

    def __init__(
        self,
        checkpointer: Checkpointer,
        period: int,
        max_iter: int | None = None,
        max_to_keep: int | None = None,
        file_prefix: str = "model",
    ) -> None:
        super().__init__(checkpointer, period, max_iter, max_to_keep, file_prefix)
        self._saved = -1

    def before_train(self) -> None:
        """Set the number of iterations from the trainer."""
        self.max_iter = self.trainer.max_iter

    def after_step(self) -> None:
        """Save if the period has elapsed."""
        iteration = self.trainer.iter
        if (iteration + 1) % self.period == 0 or iteration >= self.trainer.max_iter - 1:
            self._synchronize()
            self.step(iteration)
            self._saved = iteration

    def after_train(self) -> None:
        """Save a checkpoint if the training was stopped early, and wait for pending writes."""
        if self.trainer.stop_reason is not None and self._saved != self.trainer.iter:
            self._synchronize()
            self.save(f"{self.file_prefix}_{self.trainer.iter:07d}", iteration=self.trainer.iter)
        self.checkpointer.wait()

    def _synchronize(self) -> None:
        """Gather the states of all processes, which all have this hook."""
        self.trainer.synchronize_state()


class BestCheckpointer(HookBase):
    """Saves the model whenever a metric exceeds its previous best value.

    Must be registered after the hook that computes the metric. The best value is stored in `<file_prefix>.json` next
    to the checkpoint, so that a resumed training continues the comparison.

    Args:
        eval_period: Number of iterations between checks, equal to the period of the evaluation. 0 checks only at the
            end.
        checkpointer: Writes the file.
        val_metric: Name of the metric in the event storage, such as `"bbox/AP"`.
        mode: `"max"` if larger values are better, `"min"` if smaller values are better.
        file_prefix: The file name without suffix.
        weights: Returns a context in which the model has the weights to save, such as a moving average.
        on_best: Called after a new best model was saved.

    Raises:
        ValueError: If `mode` is neither `"max"` nor `"min"`.
    """

    def __init__(
        self,
        eval_period: int,
        checkpointer: Checkpointer,
        val_metric: str,
        mode: str = "max",
        file_prefix: str = "model_best",
        *,
        weights: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
        on_best: Callable[[], None] = lambda: None,
    ) -> None:
        if mode not in ("max", "min"):
            raise ValueError(f"BestCheckpointer: mode must be 'max' or 'min', got '{mode}'")
        self._period = eval_period
        self._checkpointer = checkpointer
        self._metric = val_metric
        self._mode = mode
        self._prefix = file_prefix
        self._weights = weights
        self._on_best = on_best
        self.best_metric: float | None = None
        self.best_iter: int | None = None

    def before_train(self) -> None:
        """Restore the best value of an interrupted training."""
        record = self._record()
        if self.trainer.start_iter > 0 and record.is_file():
            best = read_json(record)
            if best["metric"] == self._metric and best["iteration"] < self.trainer.start_iter:
                self.best_metric, self.best_iter = best["value"], best["iteration"]

    def after_step(self) -> None:
        """Check the metric if the period has elapsed."""
        done = self.trainer.iter + 1
        if self._period > 0 and done % self._period == 0 and done != self.trainer.max_iter:
            self._check()

    def after_train(self) -> None:
        """Check the metric at the end of a complete training."""
        if self.trainer.iter + 1 >= self.trainer.max_iter:
            self._check()

    def state_dict(self) -> dict[str, Any]:
        """Return the best value and its iteration."""
        return {} if self.best_metric is None else {"best_metric": self.best_metric, "best_iter": self.best_iter}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the best value and its iteration."""
        self.best_metric, self.best_iter = state["best_metric"], state["best_iter"]

    def _check(self) -> None:
        if self._metric not in self.trainer.storage.latest():
            _logger.warning(
                "BestCheckpointer: no metric '%s' in the storage at iteration %d", self._metric, self.trainer.iter
            )
            return
        value, iteration = self.trainer.storage.latest()[self._metric]
        if not math.isfinite(value) or iteration == self.best_iter or not self._is_better(value):
            return
        if not self._remember(value, iteration):
            return
        _logger.info("new best %s: %.4f at iteration %d", self._metric, value, iteration)
        with self._weights():
            self._save(iteration)
        if self._checkpointer.save_to_disk and self._checkpointer.save_dir:
            with atomic_write(self._record(), "w") as file:
                # The evaluation at the end is recorded at iteration `max_iter`, the others at their own iteration.
                completed = min(iteration + 1, self.trainer.max_iter)
                record = {"metric": self._metric, "value": value, "iteration": iteration, "completed": completed}
                json.dump(record, file)
        self._on_best()

    def _remember(self, value: float, iteration: int) -> bool:
        """Store a new best value; subclasses may return False to skip it."""
        self.best_metric, self.best_iter = value, iteration
        return True

    def _save(self, iteration: int) -> None:
        self._checkpointer.write(self._prefix, iteration=iteration)

    def _is_better(self, value: float) -> bool:
        if self.best_metric is None:
            return True
        return value > self.best_metric if self._mode == "max" else value < self.best_metric

    def _record(self) -> Path:
        return Path(self._checkpointer.save_dir) / f"{self._prefix}.json"
