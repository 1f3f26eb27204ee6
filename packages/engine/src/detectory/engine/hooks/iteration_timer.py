"""IterationTimer: measures the duration of iterations."""

import datetime
import logging
import time

from detectory.engine.trainers.training_loop import HookBase

_logger = logging.getLogger(__name__)


class IterationTimer(HookBase):
    """Logs the duration of each iteration in seconds as `time`, and a summary at the end.

    Should be the first hook, because the time of hooks before it is not measured.

    Args:
        warmup_iter: Number of initial iterations to ignore, which are slower.
    """

    def __init__(self, warmup_iter: int = 3) -> None:
        self._warmup_iter = warmup_iter
        self._start_of_training = self._start_of_step = time.perf_counter()
        self._seconds_of_steps = 0.0
        self._counted = 0

    def before_train(self) -> None:
        """Start the timer of the training."""
        self._start_of_training = time.perf_counter()
        self._seconds_of_steps, self._counted = 0.0, 0

    def before_step(self) -> None:
        """Start the timer of the iteration."""
        self._start_of_step = time.perf_counter()

    def after_step(self) -> None:
        """Log the duration of the iteration."""
        seconds = time.perf_counter() - self._start_of_step
        if self.trainer.iter - self.trainer.start_iter + 1 > self._warmup_iter:
            self.trainer.storage.put_scalar("time", seconds)
            self._seconds_of_steps += seconds
            self._counted += 1

    def after_train(self) -> None:
        """Log the mean duration and the total time spent in hooks."""
        if not self._counted:
            return
        total = time.perf_counter() - self._start_of_training
        hooks = max(total - self._seconds_of_steps, 0.0)
        _logger.info(
            "%d iterations took %s (%.4f s each); hooks and warm-up took %s",
            self._counted,
            datetime.timedelta(seconds=int(self._seconds_of_steps)),
            self._seconds_of_steps / self._counted,
            datetime.timedelta(seconds=int(hooks)),
        )
