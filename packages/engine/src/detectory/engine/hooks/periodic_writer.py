"""Writing of events every so many iterations."""

from collections.abc import Sequence

from detectory.core.events import EventWriter
from detectory.engine.trainers.training_loop import HookBase


class PeriodicWriter(HookBase):
    """Lets writers write every `period` iterations and after the last one; then it closes them.

    Args:
        writers: Where events go.
        period: Iterations between two writes; it does not change what is written.

    Raises:
        TypeError: one of `writers` is none.
    """

    def __init__(self, writers: Sequence[EventWriter], period: int = 20) -> None:
        for writer in writers:
            if not isinstance(writer, EventWriter):
                raise TypeError(f"PeriodicWriter: expected writers (EventWriter), got {type(writer).__name__}")
        self._writers = list(writers)
        self._period = period

    def after_step(self) -> None:
        """Write when it is time."""
        if (self.trainer.iter + 1) % self._period == 0 or self.trainer.iter == self.trainer.max_iter - 1:
            self._write()

    def after_train(self) -> None:
        """Write what hooks measured after the last iteration, and close."""
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
