"""StopOnSignal: stops the training cleanly on SIGTERM."""

import signal
import threading
from typing import Any

from detectory.core.distributed import all_gather, get_world_size
from detectory.engine.trainers.training_loop import HookBase


class StopOnSignal(HookBase):
    """Stops the training after the current iteration if SIGTERM is received, so that a checkpoint can be saved.

    Does nothing outside of the main thread, where signals cannot be handled.

    Args:
        signals: The signals to handle.
        period: Number of iterations between exchanges of received signals, if there are several processes.
    """

    def __init__(self, signals: tuple[signal.Signals, ...] = (signal.SIGTERM,), period: int = 10) -> None:
        self._signals = signals
        self._period = period
        self._received: signal.Signals | None = None
        self._stopped_by: signal.Signals | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def before_train(self) -> None:
        """Install the signal handlers."""
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._remember) for number in self._signals}

    def after_step(self) -> None:
        """Stop the training if a signal was received, after the same iteration in all processes."""
        received = self._received is not None
        if get_world_size() > 1:
            if (self.trainer.iter + 1) % self._period:
                return
            received = any(all_gather(received))
        if received:
            self._stopped_by = self._received or self._signals[0]
            self.trainer.stop(f"received {self._stopped_by.name}")

    def after_train(self) -> None:
        """Restore the previous signal handlers."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    @property
    def received(self) -> signal.Signals | None:
        """The signal that stopped the training, received by this or another process, or None."""
        return self._stopped_by

    def _remember(self, number: int, _: Any) -> None:
        self._received = signal.Signals(number)
