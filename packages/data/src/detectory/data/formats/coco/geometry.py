"""Validation rules of COCO's boxes, segmentations and keypoints."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from detectory.core.text import short_repr
from detectory.structures import BoxMode

from .rle import rle_problem


def box_problem(box: Any) -> str | None:
    """Return what is wrong with a box, or None.

    Boxes are `[x, y, width, height]`, or rotated `[center x, center y, width, height, angle]` as in Detectron2's COCO
    files, with counterclockwise angles in degrees.
    """
    if not isinstance(box, (list, tuple)) or not _are_finite(box):
        return f"must be [x, y, width, height] with finite numbers, got {short_repr(box)}"
    if len(box) not in (4, 5):
        return f"must have 4 values [x, y, width, height], or 5 with the angle of a rotated box, got {len(box)}"
    if box[2] < 0 or box[3] < 0:
        return f"width and height must not be negative, got {short_repr(box)}"
    return None


def outside_problem(box: Sequence[float], image: Mapping[str, Any] | None) -> str | None:
    """Return a message if a valid box does not touch the image; boxes of zero area on the border are valid."""
    right, bottom = (image or {}).get("width"), (image or {}).get("height")
    if not isinstance(right, int) or not isinstance(bottom, int):
        return None
    x, y, width, height = box if len(box) == 4 else upright_box(box)
    if x > right or y > bottom or x + width < 0 or y + height < 0:
        return f"box {short_repr(box)} is outside the image of {right} x {bottom} pixels"
    return None


def upright_box(box: Sequence[float]) -> list[float]:
    """Return the box `[x, y, width, height]` around a rotated box."""
    cx, cy, width, height, angle = box
    cos, sin = abs(math.cos(math.radians(angle))), abs(math.sin(math.radians(angle)))
    outer_width, outer_height = width * cos + height * sin, width * sin + height * cos
    return [cx - outer_width / 2, cy - outer_height / 2, outer_width, outer_height]


def stored_box(annotation: Mapping[str, Any]) -> tuple[list[float], BoxMode]:
    """Return the valid box of an annotation and its mode.

    CVAT stores the unrotated box, and its clockwise rotation in degrees in `attributes.rotation`.
    """
    box = list(annotation["bbox"])
    if len(box) == 5:
        return box, BoxMode.XYWHA_ABS
    rotation = rotation_attribute(annotation)
    if not rotation:
        return box, BoxMode.XYWH_ABS
    x, y, width, height = box
    return [x + width / 2, y + height / 2, width, height, -rotation], BoxMode.XYWHA_ABS


def rotation_attribute(annotation: Mapping[str, Any]) -> float:
    """Return CVAT's rotation of a box in degrees clockwise; 0 for other annotations, and for masks."""
    attributes = annotation.get("attributes")
    rotation = attributes.get("rotation") if isinstance(attributes, Mapping) else None
    is_rotation = isinstance(rotation, (int, float)) and math.isfinite(rotation) and not annotation.get("segmentation")
    return float(rotation) % 360 if is_rotation and rotation else 0.0


def segmentation_problems(segmentation: Any, image: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """Yield `(field, message)` for every invalid polygon, or for an invalid RLE."""
    if isinstance(segmentation, dict):
        message = rle_problem(segmentation, image)
        if message:
            yield "segmentation", message
        return
    if not isinstance(segmentation, list):
        yield "segmentation", f"must be a list of polygons or an RLE, got {short_repr(segmentation)}"
        return
    for index, polygon in enumerate(segmentation):
        message = _polygon_problem(polygon)
        if message:
            yield f"segmentation[{index}]", message


def _polygon_problem(polygon: Any) -> str | None:
    if not isinstance(polygon, list):
        return f"a polygon must be a list [x1, y1, x2, y2, …], got {short_repr(polygon)}"
    if len(polygon) % 2:
        return f"a polygon must have an even number of coordinates, got {len(polygon)}"
    if len(polygon) < 6:
        return f"a polygon must have at least 3 points (6 coordinates), got {len(polygon)} coordinates"
    if not _are_finite(polygon):
        invalid = next((value for value in polygon if not _is_finite(value)), polygon)
        return f"polygon coordinates must be finite numbers, got {short_repr(invalid)}"
    return None


def keypoints_problem(keypoints: Any) -> str | None:
    """Return what is wrong with keypoints `[x1, y1, v1, x2, y2, v2, …]`, or None."""
    if not isinstance(keypoints, list) or len(keypoints) % 3 or not _are_finite(keypoints):
        return f"must be [x1, y1, v1, x2, y2, v2, …] with finite numbers, got {short_repr(keypoints)}"
    for visibility in keypoints[2::3]:
        if visibility not in (0, 1, 2):
            return f"visibility of a keypoint must be 0, 1 or 2, got {short_repr(visibility)}"
    return None


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _are_finite(values: Iterable[Any]) -> bool:
    """Return whether all values are finite numbers.

    Equals `all(map(_is_finite, values))`, but without a Python call per value: NaN and infinity survive a summation,
    and other types make it fail. If a sum of finite numbers overflows, the numbers are too large for coordinates.
    """
    try:
        return math.isfinite(sum(values)) and bool not in set(map(type, values))
    except (TypeError, OverflowError):
        return False
