"""Leave out samples whose files or annotations are bad, and count them."""

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.data import get_worker_info

logger = logging.getLogger(__name__)

# Workers count in places of their own: adding to one number in shared memory from several processes loses counts.
_PLACES = 1024


class SkipBadSamples:
    """A mapper that returns None where another mapper meets a bad file or annotation.

    The loader then takes another sample, the same one at every run. Each cause is logged as a warning. Without this
    mapper the first bad sample ends the training with its cause.

    Args:
        mapper: Any mapper.
        at_most: How many samples may be left out before the next one raises; None leaves out any number.

    Example:
        >>> from detectory.data import DatasetMapper, SkipBadSamples
        >>> mapper = SkipBadSamples(DatasetMapper(True, augmentations=[], image_format="RGB"), at_most=100)
        >>> mapper({"file_name": "nothing.jpg"}) is None, mapper.skipped
        (True, 1)
    """

    def __init__(self, mapper: Callable[[Any], Any], at_most: int | None = None) -> None:
        self.mapper, self.at_most = mapper, at_most
        self._counts = torch.zeros(_PLACES, dtype=torch.int64).share_memory_()

    @property
    def skipped(self) -> int:
        """How many samples were left out so far, in all worker processes together."""
        return int(self._counts.sum())

    def __call__(self, dataset_dict: Any) -> Any:
        """Map a sample, or return None.

        Raises:
            RuntimeError: More than `at_most` samples were left out; the message tells the last cause.
        """
        try:
            return self.mapper(dataset_dict)
        except (OSError, ValueError) as error:
            worker = get_worker_info()
            self._counts[0 if worker is None else 1 + worker.id % (_PLACES - 1)] += 1
            if self.at_most is not None and self.skipped > self.at_most:
                raise RuntimeError(
                    f"SkipBadSamples: more than {self.at_most} bad samples, the last one: {error}"
                ) from error
            logger.warning("sample left out: %s", error)
            return None
