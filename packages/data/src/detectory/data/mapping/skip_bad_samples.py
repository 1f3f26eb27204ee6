"""A mapper that skips and counts samples with invalid files or annotations."""

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.data import get_worker_info

_logger = logging.getLogger(__name__)

# One counter per worker: increments of a shared counter are not atomic across processes and would be lost.
_COUNTERS = 1024


class SkipBadSamples:
    """A mapper that returns None if another mapper raises an error about an invalid file or annotation.

    The loader then uses another sample, which is the same in every run, and the error is logged as a warning. Without
    this mapper the first invalid sample ends the training.

    Args:
        mapper: Any mapper.
        max_skipped: The largest number of samples to skip; the next invalid sample raises. None means no limit.

    Example:
        >>> from detectory.data import DatasetMapper, SkipBadSamples
        >>> mapper = SkipBadSamples(DatasetMapper(True, augmentations=[], image_format="RGB"), max_skipped=100)
        >>> mapper({"file_name": "nothing.jpg"}) is None, mapper.skipped
        (True, 1)
    """

    def __init__(self, mapper: Callable[[Any], Any], max_skipped: int | None = None) -> None:
        self.mapper = mapper
        self.max_skipped = max_skipped
        self._counts = torch.zeros(_COUNTERS, dtype=torch.int64).share_memory_()

    @property
    def skipped(self) -> int:
        """The number of samples skipped so far by all worker processes."""
        return int(self._counts.sum())

    def __call__(self, dataset_dict: Any) -> Any:
        """Map a record; return None if it is invalid.

        Raises:
            RuntimeError: If more than `max_skipped` samples are invalid.
        """
        try:
            return self.mapper(dataset_dict)
        except (OSError, ValueError) as error:
            worker = get_worker_info()
            self._counts[0 if worker is None else 1 + worker.id % (_COUNTERS - 1)] += 1
            if self.max_skipped is not None and self.skipped > self.max_skipped:
                raise RuntimeError(
                    f"SkipBadSamples: more than {self.max_skipped} invalid samples; the last error is: {error}"
                ) from error
            _logger.warning("skipped a sample: %s", error)
            return None
