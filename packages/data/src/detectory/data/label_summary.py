"""Summary of the label images of a semantic dataset: which labels occur, for checks before training."""

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .images import read_image

_logger = logging.getLogger(__name__)


@dataclass
class LabelSummary:
    """The labels that occur in label images.

    Args:
        files: Label to the first label image that contains it.
        checked: Number of label images that were read.
    """

    files: dict[int, str] = field(default_factory=dict)
    checked: int = 0


def summarize_labels(records: Sequence[Mapping[str, Any]], name: str = "", seconds: float = 10.0) -> LabelSummary:
    """Read the label images of records, as the mapper does, and collect their labels.

    Args:
        records: Records with `sem_seg_file_name`; others are skipped.
        name: Name of the dataset, for the log.
        seconds: Time limit. The order spreads over the whole dataset, and images that were not reached are not read.

    Raises:
        FileNotFoundError: If a label image does not exist.
        ValueError: If a file is not a readable image.
    """
    start = time.monotonic()
    summary = LabelSummary()
    for record in spread(records):
        if time.monotonic() - start > seconds:
            _logger.info("read %d of %d label images of dataset %s", summary.checked, len(records), name)
            break
        if "sem_seg_file_name" not in record:
            continue
        file = os.fspath(record["sem_seg_file_name"])
        for label in np.flatnonzero(np.bincount(read_image(file, "L").ravel())).tolist():
            summary.files.setdefault(label, file)
        summary.checked += 1
    return summary


def spread(records: Sequence[Any]) -> Iterator[Any]:
    """Yield all records in an order that spreads over the whole sequence from the start."""
    # A prime larger than the number of records is coprime to it, so that its multiples visit every record once.
    stride = 2_147_483_647
    for count in range(len(records)):
        yield records[count * stride % len(records)]
