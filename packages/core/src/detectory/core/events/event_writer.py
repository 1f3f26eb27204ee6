"""What every writer of events has in common."""

from abc import ABC, abstractmethod

import numpy as np
import torch

from detectory.core.events.event_storage import EventStorage


class EventWriter(ABC):
    """Takes events from the open `EventStorage` and puts them somewhere."""

    @abstractmethod
    def write(self) -> None:
        """Write what is new in the open storage."""

    def close(self) -> None:  # noqa: B027 a writer that holds nothing open has nothing to close
        """Close what the writer holds open."""


def new_scalars(storage: EventStorage, after: int, window_size: int) -> dict[int, dict[str, float]]:
    """Return the scalars that were put after an iteration, by the iteration that they belong to.

    Args:
        storage: Where they are.
        after: The iteration that was written last, -1 for none.
        window_size: Noisy scalars are the median of their values of so many iterations.
    """
    rows: dict[int, dict[str, float]] = {}
    for name, (value, iteration) in storage.latest_with_smoothing_hint(window_size).items():
        if iteration > after:
            rows.setdefault(iteration, {})[name] = value
    return rows


def picture_rows(picture: torch.Tensor | np.ndarray) -> np.ndarray:
    """Return a picture `(3, H, W)` of `EventStorage.put_image` as `(H, W, 3)` uint8."""
    values = np.asarray(picture.detach().cpu() if isinstance(picture, torch.Tensor) else picture)
    if values.dtype != np.uint8:
        values = np.clip(values * 255, 0, 255).round().astype(np.uint8)
    return np.ascontiguousarray(values.transpose(1, 2, 0))
