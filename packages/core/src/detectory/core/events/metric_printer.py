"""CommonMetricPrinter: a one-line training summary in the log."""

import datetime
import logging
import time

import torch

from detectory.core.events.event_storage import EventStorage, get_event_storage
from detectory.core.events.event_writer import EventWriter

_logger = logging.getLogger(__name__)


class CommonMetricPrinter(EventWriter):
    """Logs the iteration, remaining time, losses, seconds per iteration, learning rate and GPU memory.

    Args:
        max_iter: Total number of iterations. If None, the remaining time is not logged.
        window_size: Losses are medians and times are means over this number of iterations.

    Attributes:
        logger: The logger to use.
    """

    def __init__(self, max_iter: int | None = None, window_size: int = 20) -> None:
        self.logger = _logger
        self._max_iter = max_iter
        self._window_size = window_size
        self._previous: tuple[int, float] | None = None

    def write(self) -> None:
        """Log the line, except after the last iteration."""
        storage = get_event_storage()
        if storage.iter == self._max_iter:
            return
        eta = self._get_eta(storage)
        parts = [] if eta is None else [f"eta: {eta}"]
        parts.append(f"iter: {storage.iter}")
        parts += [
            f"{name}: {history.median(storage.count_samples(name, self._window_size)):.4g}"
            for name, history in storage.histories().items()
            if "loss" in name or "[metric]" in name
        ]
        parts += [
            f"{name}: {storage.history(name).avg(storage.count_samples(name, self._window_size)):.4f}"
            for name in ("time", "data_time")
            if name in storage.histories()
        ]
        if "lr" in storage.histories():
            parts.append(f"lr: {storage.history('lr').latest():.5g}")
        if torch.cuda.is_available():
            parts.append(f"max_mem: {torch.cuda.max_memory_allocated() / 2**20:.0f}M")
        self.logger.info("%s", "  ".join(parts))

    def _get_eta(self, storage: EventStorage) -> str | None:
        """Return the estimated remaining time, None if it is unknown."""
        seconds = self._seconds_left(storage)
        return None if seconds is None else str(datetime.timedelta(seconds=int(seconds)))

    def _seconds_left(self, storage: EventStorage) -> float | None:
        if self._max_iter is None:
            return None
        left = self._max_iter - storage.iter - 1
        if "time" in storage.histories():
            seconds = storage.history("time").median(1000) * left
            storage.put_scalar("eta_seconds", seconds, smoothing_hint=False)
            return seconds
        # Without an IterationTimer, estimate the speed from the time between two calls.
        now, previous = (storage.iter, time.perf_counter()), self._previous
        self._previous = now
        if previous is None or previous[0] == now[0]:
            return None
        return (now[1] - previous[1]) / (now[0] - previous[0]) * left
