"""Batches of images that lie or stand alike."""

from collections.abc import Iterable, Iterator
from typing import Any

from torch.utils.data import IterableDataset


def stands_upright(sample: dict[str, Any]) -> bool:
    """Whether an image is at least as high as it is wide, from the sample's `width` and `height`."""
    try:
        return not sample["width"] > sample["height"]
    except (KeyError, TypeError) as error:
        raise ValueError(
            "aspect-ratio grouping needs samples that are dicts with 'width' and 'height', got "
            f"{sorted(sample) if isinstance(sample, dict) else type(sample).__name__}; "
            "give aspect_ratio_grouping=False for others"
        ) from error


class AspectRatioGroupedDataset(IterableDataset):
    """Batches of images of which all are wider than high, or none is; such batches need little padding.

    Args:
        dataset: Yields dicts with `width` and `height`.
        batch_size: Samples in a batch; incomplete batches at the end are left out.
    """

    def __init__(self, dataset: Iterable[dict[str, Any]], batch_size: int) -> None:
        self.dataset, self.batch_size = dataset, batch_size
        self._buckets: list[list[dict[str, Any]]] = [[], []]

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        self._buckets = [[], []]
        for sample in self.dataset:
            batch = self._buckets[stands_upright(sample)]
            batch.append(sample)
            if len(batch) == self.batch_size:
                full = batch[:]
                batch.clear()  # before the batch is handed out: an iteration may end there
                yield full
