"""PeriodicWriter: runs event writers at fixed intervals."""

from collections.abc import Sequence

from detectory.core.events import EventWriter
from detectory.engine.trainers.training_loop import HookBase


class PeriodicWriter(HookBase):
    """Runs event writers every `period` iterations and after the last one, and closes them at the end.

    Args:
        writers: The event writers.
        period: Number of iterations between writes. Writers get the latest value of each scalar.
        eval_period: Number of iterations between evaluations, after which the writers are run too; 0 for none.

    Raises:
        TypeError: If one of `writers` is not an `EventWriter`.
    """

    def __init__(self, writers: Sequence[EventWriter], period: int = 20, *, eval_period: int = 0) -> None:
        for writer in writers:
            if not isinstance(writer, EventWriter):
                raise TypeError(f"PeriodicWriter: writers must be EventWriter instances, got {type(writer).__name__}")
        self._writers = list(writers)
        self._period = period
        self._eval_period = eval_period

    def after_step(self) -> None:
        """Write if the period has elapsed."""
        done = self.trainer.iter + 1
        is_evaluated = self._eval_period > 0 and done % self._eval_period == 0
        if done % self._period == 0 or is_evaluated or done == self.trainer.max_iter:
            self._write()

    def after_train(self) -> None:
        """Write the events logged by other hooks after the last iteration, and close the writers."""
        self._write()
        for writer in self._writers:
            writer.close()

    def _write(self) -> None:
        storage = self.trainer.storage
        for writer in self._writers:
            with storage.keep_images():
                writer.write()
        storage.clear_images()
        storage.clear_histograms()
