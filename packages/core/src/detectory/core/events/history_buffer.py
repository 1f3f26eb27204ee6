"""History of one scalar with smoothed values."""

from collections import deque
from itertools import islice
from statistics import fmean, median


class HistoryBuffer:
    """Values of one scalar, oldest first, with windowed medians and means and a global mean.

    Args:
        max_length: Number of values to keep. Older values are removed but still count in `global_avg`.
    """

    def __init__(self, max_length: int = 1_000_000) -> None:
        if max_length < 1:
            raise ValueError(f"HistoryBuffer: max_length must be positive, got {max_length}")
        self._data: deque[tuple[float, float]] = deque(maxlen=max_length)
        self._count = 0
        self._total = 0.0

    def update(self, value: float, iteration: float | None = None) -> None:
        """Add a value measured at `iteration`, by default the number of values so far."""
        self._data.append((value, self._count if iteration is None else iteration))
        self._count += 1
        self._total += value

    def latest(self) -> float:
        """Return the latest value."""
        return self._newest()[0]

    def median(self, window_size: int) -> float:
        """Return the median of the last `window_size` values, or of all if there are fewer."""
        return float(median(self._window(window_size)))

    def avg(self, window_size: int) -> float:
        """Return the mean of the last `window_size` values, or of all if there are fewer."""
        return fmean(self._window(window_size))

    def global_avg(self) -> float:
        """Return the mean of all values ever added."""
        self._newest()
        return self._total / self._count

    def values(self) -> list[tuple[float, float]]:
        """Return the kept `(value, iteration)` pairs, oldest first."""
        return list(self._data)

    def count_since(self, iteration: float) -> int:
        """Return how many of the last values were measured after `iteration`."""
        count = 0
        for _, measured in reversed(self._data):
            if measured <= iteration:
                break
            count += 1
        return count

    def _newest(self) -> tuple[float, float]:
        if not self._data:
            raise IndexError("HistoryBuffer: no values have been added")
        return self._data[-1]

    def _window(self, window_size: int) -> list[float]:
        if window_size < 1:
            raise ValueError(f"HistoryBuffer: window_size must be positive, got {window_size}")
        self._newest()
        return [value for value, _ in islice(reversed(self._data), window_size)]
