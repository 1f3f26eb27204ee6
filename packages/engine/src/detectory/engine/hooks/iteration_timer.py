"""How long iterations take."""

import datetime
import logging
import time

from detectory.engine.trainers.training_loop import HookBase

_logger = logging.getLogger(__name__)


class IterationTimer(HookBase):
    """Puts the seconds of each iteration into the storage as `time` and logs a summary at the end.

    It should be the first hook: what hooks before it do is not measured.

    Args:
        warmup_iter: So many iterations at the start are not counted; they are slower than the rest.
    """

    def __init__(self, warmup_iter: int = 3) -> None:
        self._warmup_iter = warmup_iter
        self._start_of_training = self._start_of_step = time.perf_counter()
        self._seconds_of_steps = 0.0
        self._counted = 0

    def before_train(self) -> None:
        """Start the clock."""
        self._start_of_training = time.perf_counter()
        self._seconds_of_steps, self._counted = 0.0, 0

    def before_step(self) -> None:
        """Start the clock of the iteration."""
        self._start_of_step = time.perf_counter()

    def after_step(self) -> None:
        """Put the iteration's seconds into the storage."""
        seconds = time.perf_counter() - self._start_of_step
        if self.trainer.iter - self.trainer.start_iter + 1 > self._warmup_iter:
            self.trainer.storage.put_scalar("time", seconds)
            self._seconds_of_steps += seconds
            self._counted += 1

    def after_train(self) -> None:
        """Log the mean speed, and how much of the time went into hooks."""
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
