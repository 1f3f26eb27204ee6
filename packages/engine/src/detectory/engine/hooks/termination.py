"""An orderly end when the system asks the process to leave."""

import signal
import threading
from typing import Any

from detectory.core.distributed import all_gather, get_world_size
from detectory.engine.trainers.training_loop import HookBase


class StopOnSignal(HookBase):
    """Ends the training after the current iteration when SIGTERM arrives, so that the checkpointer can save.

    Outside of the main thread no signal can be caught; then the hook does nothing.

    Args:
        signals: The signals to obey.
        period: With several processes they agree on stopping every so many iterations.
    """

    def __init__(self, signals: tuple[signal.Signals, ...] = (signal.SIGTERM,), period: int = 10) -> None:
        self._signals = signals
        self._period = period
        self._received: signal.Signals | None = None
        self._obeyed: signal.Signals | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def before_train(self) -> None:
        """Start listening."""
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._remember) for number in self._signals}

    def after_step(self) -> None:
        """Stop the training when a signal has come, in all processes after the same iteration."""
        received = self._received is not None
        if get_world_size() > 1:
            if (self.trainer.iter + 1) % self._period:
                return
            received = any(all_gather(received))
        if received:
            self._obeyed = self._received or self._signals[0]
            self.trainer.stop(f"{self._obeyed.name} asked to leave")

    def after_train(self) -> None:
        """Give the signals back to whoever had them."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    @property
    def obeyed(self) -> signal.Signals | None:
        """The signal that ended the training, in this process or another one; None while none did."""
        return self._obeyed

    def _remember(self, number: int, _: Any) -> None:
        self._received = signal.Signals(number)
