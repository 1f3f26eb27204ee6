"""Writer of YOLO's text format."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detectory.data.formats.objects import annotation_polygons, visible_objects, write_text
from detectory.structures import polygon_area


def write_yolo(
    records: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    label_dir: str | os.PathLike[str],
    *,
    polygons: bool = True,
) -> int:
    """Write a YOLO label file per image. Crowd regions are not written.

    Args:
        records: Records with `height` and `width`.
        names: The file name of each image, relative to the image folder.
        label_dir: The folder of the label files.
        polygons: Whether to write objects with a segmentation as polygons, otherwise as boxes. YOLO stores one polygon
            per object: for objects with several polygons only the largest one is written.

    Returns:
        The number of objects.
    """
    count = 0
    for record, name in zip(records, names, strict=True):
        height, width = record["height"], record["width"]
        lines = []
        for annotation, (x1, y1, x2, y2) in visible_objects(record):
            outlines = annotation_polygons(annotation) if polygons else []
            if outlines:
                largest = max(outlines, key=_area)
                values = [_relative(value, height if i % 2 else width) for i, value in enumerate(largest)]
            else:
                values = [(x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height]
            lines.append(f"{annotation['category_id']} " + " ".join(f"{value:.6g}" for value in values) + "\n")
        write_text(Path(label_dir) / Path(name).with_suffix(".txt"), "".join(lines))
        count += len(lines)
    return count


def _area(polygon: Sequence[float]) -> float:
    return polygon_area(np.asarray(polygon[0::2]), np.asarray(polygon[1::2]))


def _relative(value: float, side: int) -> float:
    return min(max(value / side, 0.0), 1.0)
