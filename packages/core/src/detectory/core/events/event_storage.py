"""EventStorage: where models and trainers put what they measure, and from where writers take it."""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from detectory.core.events.history_buffer import HistoryBuffer

_open_storages: list["EventStorage"] = []


def has_event_storage() -> bool:
    """Say whether an `EventStorage` is open."""
    return bool(_open_storages)


def get_event_storage() -> "EventStorage":
    """Return the innermost open `EventStorage`.

    Raises:
        RuntimeError: none is open.
    """
    if not _open_storages:
        raise RuntimeError("get_event_storage: no EventStorage is open; put the call inside 'with EventStorage():'")
    return _open_storages[-1]


class EventStorage:
    """Scalars with their history, images and histograms of a running training.

    Args:
        start_iter: The number of the first iteration.

    Attributes:
        start_iter: The same number; a resumed training's is not 0.

    Example:
        >>> with EventStorage() as storage:
        ...     for loss in (2.0, 1.0):
        ...         get_event_storage().put_scalar("loss", loss)
        ...         storage.step()
        >>> storage.history("loss").values()
        [(2.0, 0), (1.0, 1)]
    """

    def __init__(self, start_iter: int = 0) -> None:
        self.start_iter = start_iter
        self._iter = start_iter
        self._prefix = ""
        self._histories: dict[str, HistoryBuffer] = {}
        self._smoothing: dict[str, bool] = {}
        self._latest: dict[str, tuple[float, int]] = {}
        self._images: list[tuple[str, torch.Tensor | np.ndarray, int]] = []
        self._histograms: list[dict[str, Any]] = []

    def put_scalar(self, name: str, value: Any, smoothing_hint: bool = True, cur_iter: int | None = None) -> None:
        """Add one value of a scalar.

        Args:
            name: The scalar's name; the open `name_scope` comes before it.
            value: A number or a tensor of one element.
            smoothing_hint: Whether writers should smooth it; losses are noisy, a learning rate is not.
            cur_iter: The iteration it belongs to, the current one by default.

        Raises:
            ValueError: the same scalar came with another `smoothing_hint` before.
        """
        self._put(self._prefix + name, float(value), smoothing_hint, self._iter if cur_iter is None else cur_iter)

    def put_scalars(self, *, smoothing_hint: bool = True, cur_iter: int | None = None, **kwargs: Any) -> None:
        """Add one value of several scalars: `put_scalars(loss=1.5, accuracy=0.7)`."""
        iteration = self._iter if cur_iter is None else cur_iter
        for name, value in kwargs.items():
            self._put(self._prefix + name, float(value), smoothing_hint, iteration)

    def _put(self, name: str, number: float, smoothing_hint: bool, iteration: int) -> None:
        history = self._histories.get(name)
        if history is None:
            history = self._histories[name] = HistoryBuffer()
            self._smoothing[name] = smoothing_hint
        elif self._smoothing[name] != smoothing_hint:
            raise ValueError(
                f"put_scalar: '{name}' was put with smoothing_hint={self._smoothing[name]}, now it is {smoothing_hint}"
            )
        history.update(number, iteration)
        self._latest[name] = (number, iteration)

    def put_image(self, img_name: str, img_tensor: torch.Tensor | np.ndarray) -> None:
        """Add an RGB picture `(3, H, W)`: `uint8` in `[0, 255]` or `float32` in `[0, 1]`."""
        self._images.append((self._prefix + img_name, img_tensor, self._iter))

    def put_histogram(self, hist_name: str, hist_tensor: torch.Tensor, bins: int = 1000) -> None:
        """Add the histogram of a tensor of any shape with `bins` equal bins between its extremes.

        Raises:
            ValueError: the tensor is empty or holds NaN or infinite values.
        """
        values = hist_tensor.detach().to("cpu", torch.float32).flatten()
        if not values.numel() or not torch.isfinite(values).all():
            raise ValueError(f"put_histogram: '{hist_name}' must hold finite values, got {values.numel()} values")
        low, high = values.min().item(), values.max().item()
        counts = torch.histc(values, bins=bins)
        edges = torch.linspace(low, high, steps=bins + 1)
        self._histograms.append(
            {
                "tag": self._prefix + hist_name,
                "min": low,
                "max": high,
                "num": values.numel(),
                "sum": values.sum().item(),
                "sum_squares": values.square().sum().item(),
                "bucket_limits": edges[1:].tolist(),
                "bucket_counts": counts.tolist(),
                "global_step": self._iter,
            }
        )

    def history(self, name: str) -> HistoryBuffer:
        """Return the history of a scalar.

        Raises:
            KeyError: no such scalar was put.
        """
        if name not in self._histories:
            raise KeyError(f"EventStorage: no scalar '{name}' was put; there are {sorted(self._histories)}")
        return self._histories[name]

    def histories(self) -> dict[str, HistoryBuffer]:
        """Return the histories of all scalars by name."""
        return self._histories

    def latest(self) -> dict[str, tuple[float, int]]:
        """Return the newest value of each scalar and the iteration that it belongs to."""
        return self._latest

    def latest_with_smoothing_hint(self, window_size: int = 20) -> dict[str, tuple[float, int]]:
        """Return as `latest`, noisy scalars as the median of the last `window_size` iterations."""
        return {
            name: (self._histories[name].median(self.count_samples(name, window_size)), iteration)
            if self._smoothing[name]
            else (value, iteration)
            for name, (value, iteration) in self._latest.items()
        }

    def smoothing_hints(self) -> dict[str, bool]:
        """Return for each scalar whether it is noisy."""
        return self._smoothing

    def count_samples(self, name: str, window_size: int = 20) -> int:
        """Return how many values of a scalar belong to the last `window_size` iterations that measured it."""
        return self.history(name).count_since(self._latest[name][1] - window_size)

    def step(self) -> None:
        """Go to the next iteration."""
        self._iter += 1

    @property
    def iter(self) -> int:
        """The number of the current iteration."""
        return self._iter

    @iter.setter
    def iter(self, value: int) -> None:
        self._iter = int(value)

    @property
    def iteration(self) -> int:
        """The number of the current iteration, by its older name."""
        return self._iter

    @property
    def images(self) -> list[tuple[str, torch.Tensor | np.ndarray, int]]:
        """The pictures that no writer has taken yet, as `(name, picture, iteration)`."""
        return self._images

    @property
    def histograms(self) -> list[dict[str, Any]]:
        """The histograms that no writer has taken yet, as arguments of TensorBoard's `add_histogram_raw`."""
        return self._histograms

    def clear_images(self) -> None:
        """Forget the pictures; a writer does so when it has written them."""
        self._images = []

    def clear_histograms(self) -> None:
        """Forget the histograms; a writer does so when it has written them."""
        self._histograms = []

    @contextlib.contextmanager
    def keeping_pictures(self) -> Iterator[None]:
        """Put back the pictures and histograms that a writer takes inside the block, for the next writer."""
        images, histograms = self._images, self._histograms
        try:
            yield
        finally:
            self._images, self._histograms = images, histograms

    @contextlib.contextmanager
    def name_scope(self, name: str) -> Iterator[None]:
        """Put `name/` before all names that are put inside the block."""
        outer = self._prefix
        self._prefix = f"{outer}{name.rstrip('/')}/"
        try:
            yield
        finally:
            self._prefix = outer

    def __enter__(self) -> "EventStorage":
        _open_storages.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        closed = _open_storages.pop()
        assert closed is self, "EventStorage blocks must be closed in the reverse order of their opening"
