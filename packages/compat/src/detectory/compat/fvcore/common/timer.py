"""A timer that can pause."""

from time import perf_counter

__all__ = ["Timer"]


class Timer:
    """Counts seconds from its making, without the pauses."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start again from zero."""
        self._start = perf_counter()
        self._paused: float | None = None
        self._total_paused = 0.0
        self._count_start = 1

    def pause(self) -> None:
        """Stop counting.

        Raises:
            ValueError: the timer is paused already.
        """
        if self._paused is not None:
            raise ValueError("Timer.pause: the timer is paused already")
        self._paused = perf_counter()

    def is_paused(self) -> bool:
        """Say whether the timer is paused."""
        return self._paused is not None

    def resume(self) -> None:
        """Count on.

        Raises:
            ValueError: the timer is not paused.
        """
        if self._paused is None:
            raise ValueError("Timer.resume: the timer is not paused")
        self._total_paused += perf_counter() - self._paused
        self._paused = None
        self._count_start += 1

    def seconds(self) -> float:
        """Return the seconds so far, without pauses."""
        end = perf_counter() if self._paused is None else self._paused
        return end - self._start - self._total_paused

    def avg_seconds(self) -> float:
        """Return the seconds between a start and the pause that follows, on average."""
        return self.seconds() / self._count_start
