"""Reader of folders of instance masks, such as Penn-Fudan.

Source: L. Wang et al., "Object Detection Combining Recognition and Segmentation", ACCV 2007 (Penn-Fudan dataset).
"""

import logging
import os
from pathlib import Path

import numpy as np
from PIL import Image

from detectory.data.formats.annotations import mask_annotation
from detectory.data.formats.image_records import image_record
from detectory.data.formats.report import ConversionReport
from detectory.data.problems import DatasetError, Problem
from detectory.structures.records import DatasetRecord

from .pairs import MaskFolders, images_with_masks

_logger = logging.getLogger(__name__)

CLASS_NAME = "object"


def load_masks(
    image_dir: str | os.PathLike[str], mask_dir: str | os.PathLike[str], report: ConversionReport | None = None
) -> tuple[list[DatasetRecord], list[str]]:
    """Read instance masks: maps of the size of the image in which 0 is background and 1, 2, … are the objects.

    A warning is logged if the masks are binary, because each of them then is one object.

    Args:
        image_dir: The folder of the images.
        mask_dir: The folder of the masks `NAME_mask.png` or `NAME.png`. An image without a mask has no objects.
        report: Counts the objects.

    Returns:
        Records in the standard format with image ids from 1, and the class names: the only class, "object".

    Raises:
        DatasetError: If a mask is not a readable image with one channel. The message contains the file.
    """
    report = report if report is not None else ConversionReport()
    records: list[DatasetRecord] = []
    values: set[int] = set()
    num_masks = 0
    for image, mask in images_with_masks(MaskFolders(Path(image_dir), Path(mask_dir))):
        annotations = []
        size = None
        if mask is not None:
            ids = _instance_ids(mask)
            size = ids.shape
            indices = np.unique(ids[ids != 0])
            num_masks += 1
            values.update(indices.tolist())
            objects = (mask_annotation(0, ids == index) for index in indices)
            annotations = [annotation for annotation in objects if annotation is not None]
            report.keep(len(annotations))
        records.append(image_record(image, len(records) + 1, size, annotations))
    if values == {255} or (len(values) == 1 and num_masks > 1):
        _logger.warning(
            "%s: the masks are binary (0 and %s): all objects of an image become one object. Write the number of the "
            "object per pixel (1, 2, …) if images have several objects",
            *(mask_dir, int(next(iter(values)))),
        )
    return records, [CLASS_NAME]


def _instance_ids(file: Path) -> np.ndarray:
    try:
        with Image.open(file) as image:
            ids = np.asarray(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DatasetError(Problem(str(file), "", "", f"not a readable mask: {error}")) from error
    if ids.ndim != 2:
        message = f"must have one channel with the number of the object per pixel, got shape {ids.shape}"
        raise DatasetError(Problem(str(file), "", "", message))
    return ids
