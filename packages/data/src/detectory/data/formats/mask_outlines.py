"""Conversion of masks to polygons by tracing the outlines of their components."""

import numpy as np

Point = tuple[int, int]


def mask_to_polygons(mask: np.ndarray) -> list[list[float]]:
    """Trace the outer boundaries of a mask along the edges of its pixels.

    Every pixel edge between foreground and background becomes a directed edge with the foreground on its right. Each
    corner has as many outgoing as incoming edges, so the edges split into closed loops: outer boundaries, which have a
    positive area in image coordinates (y down), and holes, which have a negative area and are dropped.

    Args:
        mask: Shape (H, W). Pixels that are not 0 belong to the object.

    Returns:
        A polygon `[x1, y1, x2, y2, …]` per 4-connected component, in continuous coordinates. Rasterizing the polygons
        restores the mask with its holes filled. An empty list for an empty mask.
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
    polygons = []
    while edges:
        loop = _take_loop(edges)
        if _doubled_area(loop) > 0:
            polygons.append([float(value) for point in _corners(loop) for value in point])
    return polygons


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
