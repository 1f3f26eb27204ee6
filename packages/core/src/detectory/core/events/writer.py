"""What every writer of events has in common."""

from abc import ABC, abstractmethod


class EventWriter(ABC):
    """Takes events from the open :class:`EventStorage` and puts them somewhere."""

    @abstractmethod
    def write(self) -> None:
        """Write what is new in the open storage."""

    def close(self) -> None:  # noqa: B027 a writer that holds nothing open has nothing to close
        """Close what the writer holds open."""
