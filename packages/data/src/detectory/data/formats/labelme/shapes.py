"""Conversion of LabelMe shapes to polygons, masks and rotated boxes.

Source: LabelMe's `shape.py` and `utils/shape.py`, shape types of version 5.
"""

import base64
import binascii
import io
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from detectory.data.formats.annotations import corners_to_rotated, ellipse_polygon, rotated_corners

#: Shape types that have no area.
SHAPES_WITHOUT_AREA = ("point", "points", "line", "linestrip")
_MIN_POINTS = {"polygon": 3, "rectangle": 2, "circle": 2, "mask": 2, "rotation": 4}


class Outline(NamedTuple):
    """The area of a shape; one of the attributes is not None."""

    polygon: list[float] | None = None
    mask: tuple[int, int, np.ndarray] | None = None
    """`(x, y, pixels)`: the position of the upper left pixel, and a boolean array."""
    rotated: list[float] | None = None

    @property
    def corners(self) -> list[float]:
        """The outline as a polygon; of a mask, its box."""
        if self.mask is not None:
            x, y, pixels = self.mask
            right, bottom = x + pixels.shape[1], y + pixels.shape[0]
            return [float(value) for value in (x, y, right, y, right, bottom, x, bottom)]
        return self.polygon if self.polygon is not None else rotated_corners(self.rotated or [])


def shape_outline(shape: Mapping[str, Any]) -> Outline | str:
    """Return the area of a shape, or a message if the shape is invalid.

    The type of the shape must not be in `SHAPES_WITHOUT_AREA`.
    """
    points, shape_type = shape.get("points"), shape.get("shape_type") or "polygon"
    if not isinstance(points, list) or not all(isinstance(point, list) and len(point) == 2 for point in points):
        return "must be a list of points [x, y]"
    if not all(isinstance(value, (int, float)) and math.isfinite(value) for point in points for value in point):
        return "coordinates must be finite numbers"
    if shape_type not in _MIN_POINTS:
        return f"shape type {shape_type!r} is unknown, expected one of {', '.join(sorted(_MIN_POINTS))}"
    flat = [float(value) for point in points for value in point]
    if shape_type == "polygon" and len(points) >= 3:
        return Outline(polygon=flat)
    if shape_type == "rectangle" and len(points) == 2:
        x1, y1, x2, y2 = flat
        return Outline(polygon=[x1, y1, x2, y1, x2, y2, x1, y2])
    if shape_type in ("rectangle", "rotation") and len(points) == 4:
        # Versions before 4 and other tools store the four corners.
        rotated = corners_to_rotated(flat) if shape_type == "rotation" else None
        return Outline(polygon=flat) if rotated is None else Outline(rotated=rotated)
    if shape_type == "circle" and len(points) == 2:
        x, y, edge_x, edge_y = flat
        radius = math.hypot(edge_x - x, edge_y - y)
        return Outline(polygon=ellipse_polygon(x, y, radius, radius))
    if shape_type == "mask" and len(points) == 2:
        return _mask(shape.get("mask"), flat)
    required = "at least 3 points" if shape_type == "polygon" else f"{_MIN_POINTS[shape_type]} points"
    return f"a {shape_type} must have {required}, got {len(points)}"


def _mask(data: Any, points: list[float]) -> Outline | str:
    """Decode the PNG of an AI mask, which covers the box of the shape."""
    if not isinstance(data, str):
        return "a mask must have a base64 PNG in 'mask'"
    try:
        with Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as image:
            pixels = np.asarray(image.convert("L")) != 0
    except (binascii.Error, OSError, ValueError, Image.DecompressionBombError) as error:
        return f"'mask' is not a base64 PNG: {error}"
    return Outline(mask=(round(min(points[0::2])), round(min(points[1::2])), pixels))
