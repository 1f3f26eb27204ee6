"""StopOnSignal: stops the training cleanly on SIGTERM and Ctrl-C."""

import os
import signal
import threading
import time
from typing import Any

from detectory.core.distributed import all_gather, get_world_size
from detectory.engine.trainers.training_loop import HookBase

_MIN_SECONDS_BETWEEN = 1.0
_NOTICE = "\n{}: stopping after this iteration with a checkpoint. Repeat the signal to stop at once.\n"


class StopOnSignal(HookBase):
    """Stops the training after the current iteration on SIGTERM or SIGINT (Ctrl-C), so that a checkpoint can be saved.

    A second signal, at least a second after the first, has its usual effect: Ctrl-C stops the process at once.

    Does nothing outside of the main thread, where signals cannot be handled.

    Args:
        signals: The signals to handle.
        period: Number of iterations between exchanges of received signals, if there are several processes.
    """

    def __init__(self, signals: tuple[signal.Signals, ...] = (signal.SIGTERM, signal.SIGINT), period: int = 10) -> None:
        self._signals = signals
        self._period = period
        self._received: signal.Signals | None = None
        self._received_at = 0.0
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
        if self._received is None:
            self._received, self._received_at = signal.Signals(number), time.monotonic()
            # os.write, because the signal may have interrupted a buffered write to the same stream.
            os.write(2, _NOTICE.format(self._received.name).encode())
        elif time.monotonic() - self._received_at >= _MIN_SECONDS_BETWEEN:
            # A launcher forwards a signal that the terminal has sent to all its processes, so it can arrive twice.
            signal.signal(number, self._previous[signal.Signals(number)])
            signal.raise_signal(number)
