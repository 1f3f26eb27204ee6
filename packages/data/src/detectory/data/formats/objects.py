"""Common parts of the writers of per-image annotation files."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from detectory.core.storage import atomic_write
from detectory.structures import BoxMode, rle_to_bitmask

from .mask_outlines import mask_to_polygons


def visible_objects(record: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], list[float]]]:
    """Yield the annotations of a record without crowd regions, each with its box `[x1, y1, x2, y2]` in the image.

    Rotated boxes are replaced by the axis-aligned boxes around them.
    """
    height, width = record["height"], record["width"]
    limits = [width, height, width, height]
    for annotation in record.get("annotations", []):
        if annotation.get("iscrowd", 0):
            continue
        mode = BoxMode(annotation["bbox_mode"])
        corners = BoxMode.convert(list(annotation["bbox"]), mode, BoxMode.XYXY_ABS, (height, width))
        yield annotation, [min(max(float(value), 0.0), limit) for value, limit in zip(corners, limits, strict=True)]


def annotation_polygons(annotation: Mapping[str, Any]) -> list[list[float]]:
    """Return the polygons of a segmentation; RLEs are traced. Empty without a segmentation."""
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, dict):
        return mask_to_polygons(rle_to_bitmask(segmentation))
    return [rounded(polygon) for polygon in segmentation or []]


def rounded(values: Any) -> list[float]:
    """Return values as a flat list, rounded to 3 decimals."""
    return [round(float(value), 3) for value in np.asarray(values, dtype=np.float64).reshape(-1)]


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, and create its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(text.encode())
