"""Checkpoints during a training: every so often, and of the best model."""

import contextlib
import json
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from detectory.core.checkpoint import Checkpointer
from detectory.core.checkpoint import PeriodicCheckpointer as PeriodicSaver
from detectory.core.storage import atomic_write
from detectory.engine.trainers.training_loop import HookBase

_logger = logging.getLogger(__name__)


class PeriodicCheckpointer(PeriodicSaver, HookBase):
    """Saves every `period` iterations, at the end, and when the training is stopped early.

    With several processes every one of them must have this hook: each adds its random generators and its position in
    the data. Only the checkpointer of the main process writes.

    Args:
        checkpointer: Saves the files.
        period: Iterations between two checkpoints.
        max_iter: By default the trainer's.
        max_to_keep: How many of the newest to keep; None keeps all.
        file_prefix: How the files' names begin.
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
        """Take the number of iterations from the trainer."""
        self.max_iter = self.trainer.max_iter

    def after_step(self) -> None:
        """Save when it is time."""
        iteration = self.trainer.iter
        if (iteration + 1) % self.period == 0 or iteration >= self.trainer.max_iter - 1:
            self.trainer.synchronize_state()
            self.step(iteration)
            self._saved = iteration

    def after_train(self) -> None:
        """Save where a training that was told to stop ends, and wait for what is still being written."""
        if self.trainer.stop_reason is not None and self._saved != self.trainer.iter:
            self.trainer.synchronize_state()
            self.save(f"{self.file_prefix}_{self.trainer.iter:07d}", iteration=self.trainer.iter)
        self.checkpointer.wait()


class BestCheckpointer(HookBase):
    """Saves the model whenever a metric in the storage is better than it ever was.

    It should come after the hook that computes the metric. The best value stands in `<file_prefix>.json` beside the
    checkpoint, so that an interrupted training continues the comparison.

    Args:
        eval_period: Iterations between two looks at the metric, that of the evaluation; 0 looks at the end only.
        checkpointer: Saves the file.
        val_metric: The metric's name in the storage, e.g. `"bbox/AP"`.
        mode: `"max"` when larger is better, `"min"` when smaller is.
        file_prefix: The file's name without suffix.
        weights: Gives the context in which the model has the weights to save, e.g. their moving average.

    Raises:
        ValueError: another mode.
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
    ) -> None:
        if mode not in ("max", "min"):
            raise ValueError(f"BestCheckpointer: mode must be 'max' or 'min', got '{mode}'")
        self._period = eval_period
        self._checkpointer = checkpointer
        self._metric = val_metric
        self._mode = mode
        self._prefix = file_prefix
        self._weights = weights
        self.best_metric: float | None = None
        self.best_iter: int | None = None

    def before_train(self) -> None:
        """Read the best value of an interrupted training."""
        record = self._record()
        if self.trainer.start_iter > 0 and record.is_file():
            best = json.loads(record.read_text(encoding="utf-8"))
            if best["metric"] == self._metric and best["iteration"] < self.trainer.start_iter:
                self.best_metric, self.best_iter = best["value"], best["iteration"]

    def after_step(self) -> None:
        """Look at the metric when it is time."""
        done = self.trainer.iter + 1
        if self._period > 0 and done % self._period == 0 and done != self.trainer.max_iter:
            self._look()

    def after_train(self) -> None:
        """Look at the metric of a training that has reached its end."""
        if self.trainer.iter + 1 >= self.trainer.max_iter:
            self._look()

    def state_dict(self) -> dict[str, Any]:
        """Return the best value so far."""
        return {} if self.best_metric is None else {"best_metric": self.best_metric, "best_iter": self.best_iter}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from the best value so far."""
        self.best_metric, self.best_iter = state["best_metric"], state["best_iter"]

    def _look(self) -> None:
        if self._metric not in self.trainer.storage.latest():
            _logger.warning(
                "BestCheckpointer: the storage holds no '%s' in iteration %d", self._metric, self.trainer.iter
            )
            return
        value, iteration = self.trainer.storage.latest()[self._metric]
        if not math.isfinite(value) or iteration == self.best_iter or not self._is_better(value):
            return
        _logger.info("the best %s so far is %.4f in iteration %d", self._metric, value, iteration)
        self.best_metric, self.best_iter = value, iteration
        with self._weights():
            self._save(iteration)
        if self._checkpointer.save_to_disk and self._checkpointer.save_dir:
            with atomic_write(self._record(), "w") as file:
                json.dump({"metric": self._metric, "value": value, "iteration": iteration}, file)

    def _save(self, iteration: int) -> None:
        self._checkpointer.write(self._prefix, iteration=iteration)

    def _is_better(self, value: float) -> bool:
        if self.best_metric is None:
            return True
        return value > self.best_metric if self._mode == "max" else value < self.best_metric

    def _record(self) -> Path:
        return Path(self._checkpointer.save_dir) / f"{self._prefix}.json"
