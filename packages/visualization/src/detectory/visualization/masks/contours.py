"""Outlines of a mask as polygons along pixel borders."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Contour:
    """One closed outline of a region or of a hole.

    Args:
        points: (V, 2) float64, the vertices (x, y) in order. They are pixel corners, so that the enclosed area equals
            the number of enclosed pixels.
        is_hole: Whether the outline is the border of a hole inside a region.
    """

    points: np.ndarray
    is_hole: bool


def trace_contours(mask: np.ndarray) -> list[Contour]:
    """Return the outlines of all 4-connected regions of a mask and of their holes.

    The vertices of the outlines are the pixel corners where the border turns. Along each row and each column of the
    corner grid, border segments connect the first vertex with the second, the third with the fourth, and so on.
    Therefore two sorts link all vertices, and following horizontal and vertical links in turn closes the outlines.

    Args:
        mask: (H, W), non-zero inside the regions.

    Returns:
        The contours ordered by their topmost, then leftmost vertex; an empty list for an empty mask.
    """
    padded = np.pad(np.asarray(mask).astype(bool), 1)
    upper_left, upper_right = padded[:-1, :-1], padded[:-1, 1:]
    lower_left, lower_right = padded[1:, :-1], padded[1:, 1:]
    # A corner is a vertex if an odd number of its four pixels is inside, or if exactly two diagonal pixels are inside:
    # then the outlines of two regions touch and the corner is a vertex of both.
    odd = upper_left ^ upper_right ^ lower_left ^ lower_right
    falling = upper_left & lower_right & ~upper_right & ~lower_left
    rising = upper_right & lower_left & ~upper_left & ~lower_right
    copies = odd + 2 * (falling | rising)
    y, x = np.nonzero(copies)
    twice = copies[y, x] == 2
    order = np.repeat(np.arange(len(y)), np.where(twice, 2, 1))
    y, x = y[order], x[order]
    second = np.concatenate([[False], order[1:] == order[:-1]]) if len(order) else np.zeros(0, bool)
    # If two regions touch at a corner, the left copy of the vertex is linked upwards for a falling diagonal and
    # downwards for a rising diagonal.
    below = np.where(falling[y, x], second, rising[y, x] & ~second)
    across = np.arange(len(y)) ^ 1
    by_column = np.lexsort((below, y, x))
    along = np.empty(len(y), dtype=np.int64)
    along[by_column[0::2]], along[by_column[1::2]] = by_column[1::2], by_column[0::2]
    return [
        Contour(np.stack([x[loop], y[loop]], axis=1).astype(np.float64), not bool(lower_right[y[loop[0]], x[loop[0]]]))
        for loop in _loops(across.tolist(), along.tolist())
    ]


def _loops(across: list[int], along: list[int]) -> list[list[int]]:
    """Follow horizontal and vertical links in turn until each vertex belongs to a loop."""
    visited = bytearray(len(across))
    loops = []
    for start in range(len(across)):
        if visited[start]:
            continue
        loop: list[int] = []
        vertex = start
        while not visited[vertex]:
            neighbor = across[vertex]
            visited[vertex] = visited[neighbor] = 1
            loop += (vertex, neighbor)
            vertex = along[neighbor]
        loops.append(loop)
    return loops
