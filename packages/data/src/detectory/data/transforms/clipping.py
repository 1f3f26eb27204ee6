"""Clipping of polygons to a rectangle."""

import numpy as np


def _cut(points: np.ndarray, axis: int, limit: float, sign: float) -> np.ndarray:
    """Return the part of a closed polygon where `sign * (coordinate - limit) >= 0`."""
    if len(points) == 0:
        return points
    distance = sign * (points[:, axis] - limit)
    if (distance >= 0).all():
        return points
    following, next_distance = np.roll(points, -1, axis=0), np.roll(distance, -1)
    crosses = (distance >= 0) != (next_distance >= 0)
    span = np.where(crosses, distance - next_distance, 1.0)
    crossing = points + (distance / span)[:, None] * (following - points)
    crossing[:, axis] = limit
    both = np.stack([points, crossing], axis=1).reshape(-1, 2)
    return both[np.stack([distance >= 0, crosses], axis=1).reshape(-1)]


def polygon_in_rectangle(points: np.ndarray, x0: float, y0: float, x1: float, y1: float) -> np.ndarray | None:
    """Clip a polygon to an axis-aligned rectangle.

    If a concave polygon is cut into parts, the result is one polygon in which lines without area along the border of
    the rectangle connect the parts, so that area and mask are those of the parts.

    Args:
        points: `(N, 2)` corners, the last one joined to the first.
        x0: Left border.
        y0: Upper border.
        x1: Right border.
        y1: Lower border.

    Returns:
        `(M, 2)` corners with `M >= 3`, or None if no area is left.

    Source: I. Sutherland, G. Hodgman: Reentrant polygon clipping, CACM 17(1), 1974.
    """
    for axis, limit, sign in ((0, x0, 1.0), (0, x1, -1.0), (1, y0, 1.0), (1, y1, -1.0)):
        points = _cut(points, axis, limit, sign)
    if len(points) < 3:
        return None
    x, y = points[:, 0] - points[0, 0], points[:, 1] - points[0, 1]
    doubled_area = np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))
    return points if abs(doubled_area) > 1e-6 else None
