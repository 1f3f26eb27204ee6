"""Hooks under Detectron2's module path."""

import math
import os
import time
from collections.abc import Callable
from typing import Any

from detectory.compat.detectron2.checkpoint import Checkpointer
from detectory.compat.detectron2.utils import comm
from detectory.compat.detectron2.utils.file_io import PathManager
from detectory.compat.fvcore.common.timer import Timer
from detectory.core.events import EventStorage, EventWriter
from detectory.engine import HookBase
from detectory.engine import hooks as native
from detectory.engine.hooks import (
    AutogradProfiler,
    CallbackHook,
    LRScheduler,
    PeriodicWriter,
    PreciseBN,
    TorchMemoryStats,
    TorchProfiler,
)
from detectory.engine.schedules import ParamScheduler
from detectory.evaluation import flatten_results_dict

__all__ = [
    "AutogradProfiler",
    "BestCheckpointer",
    "CallbackHook",
    "Checkpointer",
    "EvalHook",
    "EventStorage",
    "EventWriter",
    "HookBase",
    "IterationTimer",
    "LRScheduler",
    "ParamScheduler",
    "PathManager",
    "PeriodicCheckpointer",
    "PeriodicWriter",
    "PreciseBN",
    "Timer",
    "TorchMemoryStats",
    "TorchProfiler",
    "comm",
    "flatten_results_dict",
]


class BestCheckpointer(native.BestCheckpointer):
    """A `BestCheckpointer` for any checkpointer with a `save` method; resuming still uses the last checkpoint."""

    def _save(self, iteration: int) -> None:
        last = self._checkpointer.get_checkpoint_file()
        self._checkpointer.save(self._prefix, iteration=iteration)
        if last:
            self._checkpointer.tag_last_checkpoint(os.path.basename(last))

    def _check(self) -> None:
        self._best_checking()

    def _best_checking(self) -> None:
        """Save a checkpoint if the metric is the best so far."""
        super()._check()

    @property
    def _val_metric(self) -> str:
        return self._metric

    @property
    def _file_prefix(self) -> str:
        return self._prefix

    def _compare(self, value: float, best: float) -> bool:
        """Return whether a metric value is better than another."""
        return value > best if self._mode == "max" else value < best

    def _is_better(self, value: float) -> bool:
        return self.best_metric is None or self._compare(value, self.best_metric)

    def _remember(self, value: float, iteration: int) -> bool:
        return self._update_best(value, iteration)

    def _update_best(self, val: float, iteration: int) -> bool:
        """Remember a metric value; return False for NaN and infinite values, which are not saved."""
        if not math.isfinite(val):
            return False
        self.best_metric, self.best_iter = val, iteration
        return True


class PeriodicCheckpointer(native.PeriodicCheckpointer):
    """A `PeriodicCheckpointer` for any checkpointer with a `save` method, such as fvcore's.

    Programs register the hook in the main process only. Checkpoints then have the random state and data position of
    that process; set `is_on_all_processes` for exact resumption of several processes.
    """

    is_on_all_processes = False

    def _synchronize(self) -> None:
        if self.is_on_all_processes:
            super()._synchronize()

    def after_train(self) -> None:
        """Save a checkpoint if the training was stopped early, and wait for pending writes."""
        if not hasattr(self.checkpointer, "wait"):
            vars(self.checkpointer)["wait"] = lambda: None
        super().after_train()


class EvalHook(native.EvalHook):
    """`detectory.engine.hooks.EvalHook` that evaluates in `_do_eval`, which projects override."""

    @property
    def _func(self) -> Callable[[], Any]:
        return self._function

    @property
    def _eval_after_train(self) -> bool:
        return self._after_train

    def _evaluate(self) -> None:
        self._do_eval()

    def _do_eval(self) -> None:
        """Evaluate and write the metrics to the event storage."""
        super()._evaluate()


class IterationTimer(native.IterationTimer):
    """An `IterationTimer` that, like Detectron2's, already times the last iteration of the warm-up.

    Args:
        warmup_iter: The first iteration to time, counted from 1; 0 and 1 time all iterations.
    """

    def __init__(self, warmup_iter: int = 3) -> None:
        super().__init__(max(warmup_iter - 1, 0))
        self._step_timer, self._total_timer = Timer(), Timer()
        self._start_time = time.perf_counter()
        self._total_timer.pause()

    def before_train(self) -> None:
        """Start the timers of the training."""
        super().before_train()
        self._start_time = time.perf_counter()
        self._total_timer.reset()
        self._total_timer.pause()

    def before_step(self) -> None:
        """Start the timers of the iteration."""
        super().before_step()
        self._step_timer.reset()
        if self._total_timer.is_paused():
            self._total_timer.resume()

    def after_step(self) -> None:
        """Write the duration of the iteration to the event storage; the total leaves out the warm-up."""
        super().after_step()
        if self.trainer.iter - self.trainer.start_iter + 1 <= self._warmup_iter:
            self._start_time = time.perf_counter()
            self._total_timer.reset()
        self._total_timer.pause()
