"""Outlines of masks as polygons."""

import numpy as np


def mask_to_polygons(mask: np.ndarray) -> list[list[float]]:
    """Trace the outer borders of a mask along the edges of its pixels.

    Args:
        mask: `(H, W)`; pixels that are not 0 belong to the object.

    Returns:
        A polygon `[x0, y0, x1, y1, …]` for each part of the object, in continuous coordinates; parts that touch by a
        corner only are apart. Rasterised, they give the mask with its holes filled. Empty for an empty mask.
    """
    padded = np.pad(np.asarray(mask) != 0, 1).astype(np.int8)
    down, right = np.diff(padded, axis=0), np.diff(padded, axis=1)
    # Each border edge leads from one pixel corner to the next with the object on its right.
    steps: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for (y, x), sign in zip(np.argwhere(down).tolist(), down[down != 0].tolist(), strict=True):
        # x and y count padded pixels: the edge lies on line y, between columns x - 1 and x.
        start, end = ((x - 1, y), (x, y)) if sign > 0 else ((x, y), (x - 1, y))
        steps.setdefault(start, []).append(end)
    for (y, x), sign in zip(np.argwhere(right).tolist(), right[right != 0].tolist(), strict=True):
        start, end = ((x, y), (x, y - 1)) if sign > 0 else ((x, y - 1), (x, y))
        steps.setdefault(start, []).append(end)
    loops = []
    while steps:
        loop = _loop(steps)
        if _doubled_area(loop) > 0:
            loops.append([float(value) for point in _corners(loop) for value in point])
    return loops


def _loop(steps: dict[tuple[int, int], list[tuple[int, int]]]) -> list[tuple[int, int]]:
    """Take one closed walk out of the edges; where two meet, turn so that the walk stays on one part."""
    first = next(iter(steps))
    points, here, before = [first], first, None
    while True:
        ends = steps[here]
        if len(ends) > 1 and before is not None:
            # Turning right keeps the walk on the part that it came along.
            came = (here[0] - before[0], here[1] - before[1])
            wanted = (here[0] - came[1], here[1] + came[0])
            following = ends.pop(ends.index(wanted)) if wanted in ends else ends.pop()
        else:
            following = ends.pop()
        if not ends:
            del steps[here]
        if following == first:
            return points
        points.append(following)
        here, before = following, here


def _doubled_area(points: list[tuple[int, int]]) -> int:
    array = np.array(points)
    following = np.roll(array, -1, axis=0)
    return int((array[:, 0] * following[:, 1] - array[:, 1] * following[:, 0]).sum())


def _corners(points: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Leave out points on straight lines."""
    array = np.array(points)
    is_corner = ((np.roll(array, -1, axis=0) - array) != (array - np.roll(array, 1, axis=0))).any(axis=1)
    return [tuple(point) for point in array[is_corner].tolist()]
