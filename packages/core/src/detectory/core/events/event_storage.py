"""EventStorage: collects the scalars, images and histograms that models and trainers log."""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from detectory.core.events.history_buffer import HistoryBuffer
from detectory.core.suggestions import nearest

_open_storages: list["EventStorage"] = []


def has_event_storage() -> bool:
    """Return whether an `EventStorage` is open."""
    return bool(_open_storages)


class NoEventStorageError(RuntimeError, AssertionError):
    """No `EventStorage` is open. Also an `AssertionError`, which Detectron2's users catch."""


def get_event_storage() -> "EventStorage":
    """Return the innermost open `EventStorage`.

    Raises:
        RuntimeError: If none is open.
    """
    if not _open_storages:
        raise NoEventStorageError("get_event_storage: no EventStorage is open; use 'with EventStorage():'")
    return _open_storages[-1]


class EventStorage:
    """Scalars with their history, images and histograms of a training run.

    Args:
        start_iter: The first iteration; not 0 for a resumed run.

    Attributes:
        start_iter: The first iteration.

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
        self._current_prefix = ""
        self._history: dict[str, HistoryBuffer] = {}
        self._smoothing_hints: dict[str, bool] = {}
        self._latest_scalars: dict[str, tuple[float, int]] = {}
        self._vis_data: list[tuple[str, torch.Tensor | np.ndarray, int]] = []
        self._histograms: list[dict[str, Any]] = []

    def put_scalar(self, name: str, value: Any, smoothing_hint: bool = True, cur_iter: int | None = None) -> None:
        """Add a value of a scalar.

        Args:
            name: The scalar's name; the open `name_scope` is prepended.
            value: A number or a tensor with one element.
            smoothing_hint: Whether writers should smooth the scalar. Losses are noisy; a learning rate is not.
            cur_iter: The iteration of the value; the current one by default.

        Raises:
            ValueError: If the scalar was added with another `smoothing_hint` before.
        """
        self._put(
            self._current_prefix + name, float(value), smoothing_hint, self._iter if cur_iter is None else cur_iter
        )

    def put_scalars(self, *, smoothing_hint: bool = True, cur_iter: int | None = None, **kwargs: Any) -> None:
        """Add one value each of several scalars: `put_scalars(loss=1.5, accuracy=0.7)`."""
        for name, value in kwargs.items():
            self.put_scalar(name, value, smoothing_hint=smoothing_hint, cur_iter=cur_iter)

    def _put(self, name: str, number: float, smoothing_hint: bool, iteration: int) -> None:
        history = self._history.get(name)
        if history is None:
            history = self._history[name] = HistoryBuffer()
            self._smoothing_hints[name] = smoothing_hint
        elif self._smoothing_hints[name] != smoothing_hint:
            raise ValueError(
                f"put_scalar: smoothing_hint of '{name}' must stay {self._smoothing_hints[name]}, got {smoothing_hint}"
            )
        history.update(number, iteration)
        self._latest_scalars[name] = (number, iteration)

    def put_image(self, img_name: str, img_tensor: torch.Tensor | np.ndarray) -> None:
        """Add an RGB image `(3, H, W)`: `uint8` in `[0, 255]` or `float32` in `[0, 1]`."""
        self._vis_data.append((self._current_prefix + img_name, img_tensor, self._iter))

    def put_histogram(self, hist_name: str, hist_tensor: torch.Tensor, bins: int = 1000) -> None:
        """Add the histogram of a tensor of any shape, with `bins` equal bins between its minimum and maximum.

        Raises:
            ValueError: If the tensor is empty or contains NaN or infinite values.
        """
        values = hist_tensor.detach().to("cpu", torch.float32).flatten()
        if not values.numel() or not torch.isfinite(values).all():
            raise ValueError(f"put_histogram: '{hist_name}' must be finite and not empty, got {values.numel()} values")
        low, high = values.min().item(), values.max().item()
        counts = torch.histc(values, bins=bins)
        edges = torch.linspace(low, high, steps=bins + 1)
        self._histograms.append(
            {
                "tag": self._current_prefix + hist_name,
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
            KeyError: If the scalar does not exist.
        """
        if name not in self._history:
            raise KeyError(f"EventStorage: unknown scalar '{name}': {nearest(name, self._history)}")
        return self._history[name]

    def histories(self) -> dict[str, HistoryBuffer]:
        """Return the histories of all scalars by name."""
        return self._history

    def latest(self) -> dict[str, tuple[float, int]]:
        """Return the latest value of each scalar and its iteration."""
        return self._latest_scalars

    def latest_with_smoothing_hint(self, window_size: int = 20) -> dict[str, tuple[float, int]]:
        """Return the latest values; noisy scalars are the median over the last `window_size` iterations."""
        return {
            name: (self._history[name].median(self.count_samples(name, window_size)), iteration)
            if self._smoothing_hints[name]
            else (value, iteration)
            for name, (value, iteration) in self._latest_scalars.items()
        }

    def smoothing_hints(self) -> dict[str, bool]:
        """Return the smoothing hint of each scalar."""
        return self._smoothing_hints

    def count_samples(self, name: str, window_size: int = 20) -> int:
        """Return how many values of a scalar are from the last `window_size` iterations in which it was logged."""
        return self.history(name).count_since(self._latest_scalars[name][1] - window_size)

    def step(self) -> None:
        """Advance to the next iteration."""
        self._iter += 1

    @property
    def iter(self) -> int:
        """The current iteration."""
        return self._iter

    @iter.setter
    def iter(self, value: int) -> None:
        self._iter = int(value)

    @property
    def iteration(self) -> int:
        """The current iteration; Detectron2's older name for `iter`."""
        return self._iter

    @property
    def images(self) -> list[tuple[str, torch.Tensor | np.ndarray, int]]:
        """Images that have not been written yet, as `(name, image, iteration)`."""
        return self._vis_data

    @property
    def histograms(self) -> list[dict[str, Any]]:
        """Histograms that have not been written yet, as arguments of TensorBoard's `add_histogram_raw`."""
        return self._histograms

    def clear_images(self) -> None:
        """Remove the images; called by a writer after writing them."""
        self._vis_data = []

    def clear_histograms(self) -> None:
        """Remove the histograms; called by a writer after writing them."""
        self._histograms = []

    @contextlib.contextmanager
    def keep_images(self) -> Iterator[None]:
        """Restore the images and histograms after the block, so that the next writer can write them too."""
        images, histograms = self._vis_data, self._histograms
        try:
            yield
        finally:
            self._vis_data, self._histograms = images, histograms

    @contextlib.contextmanager
    def name_scope(self, name: str) -> Iterator[None]:
        """Prepend `name/` to all names that are added inside the block."""
        outer = self._current_prefix
        self._current_prefix = f"{outer}{name.rstrip('/')}/"
        try:
            yield
        finally:
            self._current_prefix = outer

    def __enter__(self) -> "EventStorage":
        _open_storages.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        closed = _open_storages.pop()
        assert closed is self, "EventStorage blocks must be closed in reverse order"
