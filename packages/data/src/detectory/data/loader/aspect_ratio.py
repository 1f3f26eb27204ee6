"""Batches of images of the same orientation."""

from collections.abc import Iterable, Iterator
from typing import Any

from torch.utils.data import IterableDataset


def is_portrait(sample: dict[str, Any]) -> bool:
    """Return whether an image is at least as high as wide, from the `width` and `height` of the sample."""
    try:
        return not sample["width"] > sample["height"]
    except (KeyError, TypeError) as error:
        raise ValueError(
            "aspect_ratio_grouping: samples must be dicts with 'width' and 'height', got "
            f"{sorted(sample) if isinstance(sample, dict) else type(sample).__name__}. "
            "Pass aspect_ratio_grouping=False for other samples"
        ) from error


class AspectRatioGroupedDataset(IterableDataset):
    """Batches of only landscape or only portrait images, which need less padding than mixed batches.

    Args:
        dataset: Yields dicts with `width` and `height`.
        batch_size: The number of samples per batch. Incomplete batches at the end are dropped.
    """

    def __init__(self, dataset: Iterable[dict[str, Any]], batch_size: int) -> None:
        self.dataset, self.batch_size = dataset, batch_size
        self._buckets: list[list[dict[str, Any]]] = [[], []]

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        self._buckets = [[], []]
        for sample in self.dataset:
            bucket = self._buckets[is_portrait(sample)]
            bucket.append(sample)
            if len(bucket) == self.batch_size:
                batch = bucket[:]
                bucket.clear()  # before the yield, because the caller may stop iterating there
                yield batch
