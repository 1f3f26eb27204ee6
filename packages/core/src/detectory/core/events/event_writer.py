"""EventWriter interface, and conversion of stored events for writers."""

from abc import ABC, abstractmethod

import numpy as np
import torch

from detectory.core.events.event_storage import EventStorage


class EventWriter(ABC):
    """Writes the events of the open `EventStorage`."""

    @abstractmethod
    def write(self) -> None:
        """Write the events that were added since the last call."""

    def close(self) -> None:  # noqa: B027 optional: writers without open resources do not override it
        """Release the writer's resources."""


def new_scalars(storage: EventStorage, after: int, window_size: int) -> dict[int, dict[str, float]]:
    """Return the scalars that were logged after an iteration, grouped by iteration.

    Args:
        storage: The event storage.
        after: The last iteration that was written, -1 for none.
        window_size: Noisy scalars are replaced by their median over this number of iterations.
    """
    rows: dict[int, dict[str, float]] = {}
    for name, (value, iteration) in storage.latest_with_smoothing_hint(window_size).items():
        if iteration > after:
            rows.setdefault(iteration, {})[name] = value
    return rows


def image_array(image: torch.Tensor | np.ndarray) -> np.ndarray:
    """Convert an image `(3, H, W)` of `EventStorage.put_image` to `(H, W, 3)` uint8."""
    values = np.asarray(image.detach().cpu() if isinstance(image, torch.Tensor) else image)
    if values.dtype != np.uint8:
        values = np.clip(values * 255, 0, 255).round().astype(np.uint8)
    return np.ascontiguousarray(values.transpose(1, 2, 0))
