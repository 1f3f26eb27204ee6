"""ExpectedDuration hook: announces how long a training on this machine will take."""

import logging
import time

from detectory.engine.trainers.training_loop import HookBase

_logger = logging.getLogger(__name__)


class ExpectedDuration(HookBase):
    """Log the expected duration of the remaining iterations and evaluations once, after the first iterations.

    Checkpoints are not included. The first iterations are not measured, because they allocate memory
    and choose kernels.

    Args:
        warmup: Iterations that are not measured.
        measured: Iterations that are measured after them.
        eval_period: Iterations between evaluations; 0 for one evaluation at the end.
        seconds_per_evaluation: Expected duration of an evaluation; 0 does not count evaluations.
    """

    def __init__(
        self, warmup: int = 2, measured: int = 8, *, eval_period: int = 0, seconds_per_evaluation: float = 0.0
    ) -> None:
        self.eval_period = eval_period
        self.seconds_per_evaluation = seconds_per_evaluation
        self.warmup = warmup
        self.measured = measured
        self._start = self._seconds = 0.0

    def before_step(self) -> None:
        """Start the clock: evaluations and checkpoints between the iterations are not measured."""
        self._start = time.perf_counter()

    def after_step(self) -> None:
        """Add the duration of the iteration; log the estimate after the measured iterations."""
        done = self.trainer.iter - self.trainer.start_iter + 1
        if done > self.warmup:
            self._seconds += time.perf_counter() - self._start
        if done != self.warmup + self.measured:
            return
        seconds = self._seconds / self.measured
        remaining = self.trainer.max_iter - self.trainer.iter - 1
        period = self.eval_period or self.trainer.max_iter
        evaluations = -(-self.trainer.max_iter // period) - (self.trainer.iter + 1) // period
        plural = "s" * (evaluations != 1)
        with_evaluations = f" and {evaluations} evaluation{plural}" if self.seconds_per_evaluation else ""
        _logger.info(
            "%.2g s per iteration: about %s for the remaining %d iterations%s on this machine",
            seconds,
            format_duration(seconds * remaining + self.seconds_per_evaluation * evaluations),
            remaining,
            with_evaluations,
        )


def format_duration(seconds: float) -> str:
    """Return a rounded duration in words, such as "40 seconds", "7 minutes", "2 h 10 min" or "3 days"."""
    if seconds < 90:
        return f"{round(seconds)} seconds"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} minutes"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{round(minutes / 1440)} days"
