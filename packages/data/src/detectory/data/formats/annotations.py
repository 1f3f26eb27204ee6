"""Construction of annotations in the standard format from the shapes of annotation tools."""

import itertools
import math
from collections.abc import Sequence

import numpy as np

from detectory.structures import BoxMode
from detectory.structures.records import Annotation

from .coco.rle import encode_mask

_ELLIPSE_CORNERS = 32


def box_annotation(category: int, box: Sequence[float]) -> Annotation:
    """Return an annotation of a box `[x, y, width, height]` in pixels."""
    return {"category_id": category, "bbox": list(box), "bbox_mode": BoxMode.XYWH_ABS, "iscrowd": 0}


def polygon_annotation(category: int, polygons: Sequence[Sequence[float]]) -> Annotation:
    """Return an annotation of an object with one polygon `[x1, y1, x2, y2, …]` per part, and the box around them."""
    xs = [value for polygon in polygons for value in polygon[0::2]]
    ys = [value for polygon in polygons for value in polygon[1::2]]
    annotation = box_annotation(category, [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)])
    annotation["segmentation"] = [list(polygon) for polygon in polygons]
    return annotation


def mask_annotation(category: int, mask: np.ndarray) -> Annotation | None:
    """Return an annotation of a mask of shape (H, W) and the box around its pixels; None for an empty mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    x, y = int(columns[0]), int(rows[0])
    annotation = box_annotation(category, [x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1])
    annotation["segmentation"] = encode_mask(mask)
    return annotation


def keypoint_annotation(category: int, keypoints: Sequence[float]) -> Annotation:
    """Return an annotation of keypoints `[x, y, visibility, …]` and the box around the labelled ones.

    The box is empty without labelled keypoints.
    """
    points = [keypoints[i : i + 2] for i in range(0, len(keypoints), 3) if keypoints[i + 2]] or [(0.0, 0.0)]
    left, top = (min(axis) for axis in zip(*points, strict=True))
    right, bottom = (max(axis) for axis in zip(*points, strict=True))
    annotation = box_annotation(category, [left, top, right - left, bottom - top])
    annotation["keypoints"] = list(keypoints)
    return annotation


def rotated_annotation(category: int, box: Sequence[float]) -> Annotation:
    """Return an annotation of a rotated box `[cx, cy, width, height, counterclockwise angle in degrees]`."""
    return {"category_id": category, "bbox": list(box), "bbox_mode": BoxMode.XYWHA_ABS, "iscrowd": 0}


def corners_to_rotated(corners: Sequence[float]) -> list[float] | None:
    """Return the rotated box with four corners `[x1, y1, …, x4, y4]`, or None if they do not form a rectangle.

    The first side, from corner 1 to corner 2, is the width. Label files are rounded, so sides may differ by 2 % or one
    pixel.
    """
    points = np.asarray(corners, dtype=np.float64).reshape(4, 2)
    center = points.mean(axis=0)
    diagonals = float(np.linalg.norm(points[2] - points[0])), float(np.linalg.norm(points[3] - points[1]))
    tolerance = max(1.0, 0.02 * max(diagonals))
    middles = (points[0] + points[2]) / 2 - (points[1] + points[3]) / 2
    if abs(diagonals[0] - diagonals[1]) > tolerance or np.linalg.norm(middles) > tolerance:
        return None
    side_x, side_y = (points[1] - points[0] + points[2] - points[3]) / 2
    other_x, other_y = (points[2] - points[1] + points[3] - points[0]) / 2
    # The y axis points down, so a counterclockwise angle has a negative sine in image coordinates.
    angle = math.degrees(math.atan2(-side_y, side_x))
    return [float(center[0]), float(center[1]), math.hypot(side_x, side_y), math.hypot(other_x, other_y), angle]


def smallest_rectangle(corners: Sequence[float]) -> list[float]:
    """Return the rotated box with the smallest area around four corners `[x1, y1, …, x4, y4]`.

    One side of this box is parallel to a line through two of the corners.
    """
    points = np.asarray(corners, dtype=np.float64).reshape(4, 2)
    center = points.mean(axis=0)
    best: list[float] = []
    for start, end in itertools.combinations(range(4), 2):
        side = points[end] - points[start]
        length = float(np.linalg.norm(side))
        axis = side / length if length else np.array([1.0, 0.0])
        axes = np.stack([axis, [-axis[1], axis[0]]])
        offsets = (points - center) @ axes.T
        low, high = offsets.min(axis=0), offsets.max(axis=0)
        middle, size = center + (low + high) / 2 @ axes, high - low
        if not best or size.prod() < best[2] * best[3]:
            best = [*middle.tolist(), *size.tolist(), math.degrees(math.atan2(-axis[1], axis[0]))]
    return best


def rotated_corners(box: Sequence[float]) -> list[float]:
    """Return the corners `[x1, y1, …, x4, y4]` of a rotated box; the inverse of `corners_to_rotated`."""
    cx, cy, width, height, angle = box
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    offsets = [(-width / 2, -height / 2), (width / 2, -height / 2), (width / 2, height / 2), (-width / 2, height / 2)]
    return [value for x, y in offsets for value in (cx + cos * x + sin * y, cy - sin * x + cos * y)]


def ellipse_polygon(cx: float, cy: float, rx: float, ry: float, angle: float = 0.0) -> list[float]:
    """Return an ellipse as a polygon with 32 corners; `angle` is clockwise in degrees."""
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    steps = [2 * math.pi * step / _ELLIPSE_CORNERS for step in range(_ELLIPSE_CORNERS)]
    offsets = [(rx * math.cos(step), ry * math.sin(step)) for step in steps]
    return [value for x, y in offsets for value in (cx + cos * x - sin * y, cy + sin * x + cos * y)]
