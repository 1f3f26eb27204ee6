"""Conversion of masks to polygons by tracing the outlines of their components."""

from collections.abc import Sequence

import numpy as np

Point = tuple[int, int]


def mask_to_polygons(mask: np.ndarray) -> list[list[float]]:
    """Return the outer boundaries of a mask; see `mask_to_outlines`.

    Returns:
        A polygon `[x1, y1, x2, y2, …]` per 4-connected component, in continuous coordinates. Rasterizing the polygons
        restores the mask with its holes filled. An empty list for an empty mask.
    """
    return mask_to_outlines(mask)[0]


def mask_to_outlines(mask: np.ndarray) -> tuple[list[list[float]], list[list[float]]]:
    """Trace the outer boundaries and the holes of a mask along the edges of its pixels.

    Every pixel edge between foreground and background becomes a directed edge with the foreground on its right. Each
    corner has as many outgoing as incoming edges, so the edges split into closed loops: outer boundaries, which have a
    positive area in image coordinates (y down), and holes, which have a negative area.

    Args:
        mask: Shape (H, W). Pixels that are not 0 belong to the object.

    Returns:
        The outer boundaries, one polygon `[x1, y1, x2, y2, …]` per 4-connected component, and the holes, in continuous
        coordinates. Both are empty for an empty mask.
    """
    # The padding makes every boundary closed inside the array. `down[y, x]` compares padded row y with row y + 1, which
    # is unpadded row y: the edge between them has the y coordinate `y` and spans columns x - 1 to x of the unpadded
    # mask.
    padded = np.pad(np.asarray(mask) != 0, 1).astype(np.int8)
    down, right = np.diff(padded, axis=0), np.diff(padded, axis=1)
    edges: dict[Point, list[Point]] = {}
    for (y, x), sign in zip(np.argwhere(down).tolist(), down[down != 0].tolist(), strict=True):
        start, end = ((x - 1, y), (x, y)) if sign > 0 else ((x, y), (x - 1, y))
        edges.setdefault(start, []).append(end)
    for (y, x), sign in zip(np.argwhere(right).tolist(), right[right != 0].tolist(), strict=True):
        start, end = ((x, y), (x, y - 1)) if sign > 0 else ((x, y - 1), (x, y))
        edges.setdefault(start, []).append(end)
    outer: list[list[float]] = []
    holes: list[list[float]] = []
    while edges:
        loop = _take_loop(edges)
        polygon = [float(value) for point in _corners(loop) for value in point]
        (outer if _doubled_area(loop) > 0 else holes).append(polygon)
    return outer, holes


def join_polygons(polygons: Sequence[Sequence[float]]) -> list[float]:
    """Join polygons to one polygon by pairs of coinciding bridges between their nearest corners.

    Rasterized by parity, as COCO's and OpenCV's rules do, the bridges have no area, separate parts stay separate, and
    polygons inside others are holes. Ultralytics joins the parts of COCO's objects in the same way.

    Args:
        polygons: At least one polygon `[x1, y1, x2, y2, …]`.

    Returns:
        The joined polygon, with two more corners per additional polygon. Its bounding box is that of all polygons.
    """
    rings = [np.asarray(polygon, dtype=np.float64).reshape(-1, 2) for polygon in polygons]
    joined = rings[0]
    remaining = rings[1:]
    while remaining:
        nearest = [_nearest_corners(joined, ring) for ring in remaining]
        chosen = min(range(len(remaining)), key=lambda index: nearest[index][0])
        _, start, end = nearest[chosen]
        ring = remaining.pop(chosen)
        ring = np.concatenate([ring[end:], ring[: end + 1]])
        joined = np.concatenate([joined[: start + 1], ring, joined[start:]])
    return [float(value) for value in joined.reshape(-1)]


def _nearest_corners(first: np.ndarray, second: np.ndarray) -> tuple[float, int, int]:
    """Return the smallest squared distance between corners of two rings, and the indices of the corners."""
    distances = ((first[:, None] - second[None]) ** 2).sum(axis=-1)
    index = int(distances.argmin())
    return float(distances.flat[index]), index // len(second), index % len(second)


def _take_loop(edges: dict[Point, list[Point]]) -> list[Point]:
    """Remove a closed loop from the edges and return its points."""
    first = next(iter(edges))
    points, current, previous = [first], first, None
    while True:
        ends = edges[current]
        if len(ends) > 1 and previous is not None:
            # Two components touch at this corner. Turning right, towards the foreground, stays on the same component.
            step_x, step_y = current[0] - previous[0], current[1] - previous[1]
            right_turn = (current[0] - step_y, current[1] + step_x)
            following = ends.pop(ends.index(right_turn)) if right_turn in ends else ends.pop()
        else:
            following = ends.pop()
        if not ends:
            del edges[current]
        if following == first:
            return points
        points.append(following)
        current, previous = following, current


def _doubled_area(points: list[Point]) -> int:
    """Return twice the signed area by the shoelace formula; exact in integers."""
    array = np.array(points)
    following = np.roll(array, -1, axis=0)
    return int((array[:, 0] * following[:, 1] - array[:, 1] * following[:, 0]).sum())


def _corners(points: list[Point]) -> list[Point]:
    """Remove points in the middle of straight lines."""
    array = np.array(points)
    is_corner = ((np.roll(array, -1, axis=0) - array) != (array - np.roll(array, 1, axis=0))).any(axis=1)
    return [tuple(point) for point in array[is_corner].tolist()]
