"""A pausable timer."""

from time import perf_counter

__all__ = ["Timer"]


class Timer:
    """Counts seconds since its creation, excluding pauses."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Restart from zero."""
        self._start = perf_counter()
        self._paused: float | None = None
        self._total_paused = 0.0
        self._count_start = 1

    def pause(self) -> None:
        """Stop counting.

        Raises:
            ValueError: If the timer is already paused.
        """
        if self._paused is not None:
            raise ValueError("Timer.pause: the timer is already paused")
        self._paused = perf_counter()

    def is_paused(self) -> bool:
        """Return whether the timer is paused."""
        return self._paused is not None

    def resume(self) -> None:
        """Continue counting.

        Raises:
            ValueError: If the timer is not paused.
        """
        if self._paused is None:
            raise ValueError("Timer.resume: the timer is not paused")
        self._total_paused += perf_counter() - self._paused
        self._paused = None
        self._count_start += 1

    def seconds(self) -> float:
        """Return the elapsed seconds, excluding pauses."""
        end = perf_counter() if self._paused is None else self._paused
        return end - self._start - self._total_paused

    def avg_seconds(self) -> float:
        """Return the mean number of seconds between a start and the following pause."""
        return self.seconds() / self._count_start
