"""Check before training that the image files of the datasets exist."""

import logging
import os
import time
from collections.abc import Sequence

from torch.utils.data import Dataset

from detectory.core.distributed import is_main_process
from detectory.data import DatasetCatalog
from detectory.data.label_summary import spread

_logger = logging.getLogger(__name__)
_LOG_INTERVAL = 5.0
_SHOWN = 3


def check_image_files(datasets: Sequence[str], seconds: float = 20.0) -> None:
    """Check that the images of datasets exist; only the main process does.

    The files are visited in an order that spreads over the whole dataset. On a slow file system, those that were not
    reached within the time limit are not checked. URLs are not checked.

    Args:
        datasets: Names of registered datasets.
        seconds: Time limit per dataset.

    Raises:
        FileNotFoundError: If images are missing; the message has their number and the first ones.
    """
    for name in datasets if is_main_process() else ():
        records = DatasetCatalog.get(name)
        if isinstance(records, Dataset) or not len(records) or "file_name" not in records[0]:
            continue
        missing, checked = _missing_files(name, records, seconds)
        if missing:
            shown = ", ".join(missing[:_SHOWN]) + (", …" if len(missing) > _SHOWN else "")
            raise FileNotFoundError(
                f"train: {len(missing)} of {checked} images of dataset {name} do not exist: {shown}. "
                "Check the image folder, or remove the images from the annotation file"
            )


def _missing_files(name: str, records: Sequence[dict], seconds: float) -> tuple[list[str], int]:
    """Return the missing files and the number of files that were checked."""
    start = logged = time.monotonic()
    missing: list[str] = []
    for count, record in enumerate(spread(records)):
        now = time.monotonic()
        if now - start > seconds:
            _logger.info("checked %d of %d images of dataset %s (slow file system)", count, len(records), name)
            return missing, count
        if now - logged > _LOG_INTERVAL:
            _logger.info("checking that the images of dataset %s exist: %d of %d", name, count, len(records))
            logged = now
        path = os.fspath(record["file_name"])
        if "://" not in path and not os.path.exists(path):
            missing.append(path)
    return sorted(missing), len(records)
