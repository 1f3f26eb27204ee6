"""Common parts of the writers of per-image annotation files."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detectory import structures
from detectory.core.storage import atomic_write
from detectory.structures import BoxMode

from .mask_outlines import mask_to_outlines
from .report import ConversionReport


def visible_objects(
    record: Mapping[str, Any], report: ConversionReport | None = None
) -> Iterator[tuple[dict[str, Any], list[float]]]:
    """Yield the annotations of a record without crowd regions, each with its box `[x1, y1, x2, y2]` in the image.

    Rotated boxes are replaced by the axis-aligned boxes around them. The report, if any, counts all annotations.
    """
    height, width = record["height"], record["width"]
    limits = [width, height, width, height]
    for index, annotation in enumerate(record.get("annotations", [])):
        if annotation.get("iscrowd", 0):
            if report is not None:
                place = f"{record.get('file_name', '')}: annotation {index}"
                report.skip("the format has no crowd regions", place, is_expected=True)
            continue
        if report is not None:
            report.keep()
        mode = BoxMode(annotation["bbox_mode"])
        corners = BoxMode.convert(list(annotation["bbox"]), mode, BoxMode.XYXY_ABS, (height, width))
        yield annotation, [min(max(float(value), 0.0), limit) for value, limit in zip(corners, limits, strict=True)]


def annotation_outlines(annotation: Mapping[str, Any]) -> tuple[list[list[float]], list[list[float]]]:
    """Return the polygons of the parts and of the holes of a segmentation; RLEs are traced. Empty without one."""
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, dict):
        return mask_to_outlines(structures.rle_to_bitmask(segmentation))
    if isinstance(segmentation, np.ndarray):
        return mask_to_outlines(segmentation)
    return [rounded(polygon) for polygon in segmentation if len(polygon)] if segmentation else [], []


def has_other_box(box: Sequence[float], polygon: Sequence[float]) -> bool:
    """Return whether a box `[x1, y1, x2, y2]` differs from the one around a polygon by more than a pixel."""
    around = [min(polygon[0::2]), min(polygon[1::2]), max(polygon[0::2]), max(polygon[1::2])]
    return any(abs(first - second) > 1 for first, second in zip(box, around, strict=True))


def rounded(values: Any) -> list[float]:
    """Return values as a flat list, rounded to 3 decimals."""
    return [round(float(value), 3) for value in np.asarray(values, dtype=np.float64).reshape(-1)]


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, and create its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(text.encode())
