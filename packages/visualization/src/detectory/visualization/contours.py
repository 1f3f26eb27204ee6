"""The outlines of a mask, as polygons along the borders of its pixels."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Contour:
    """One closed outline.

    Args:
        points: (V, 2) float64 corners (x, y) on the pixel grid, in order; the area they enclose is a count of pixels.
        is_hole: Whether it is the border of a hole inside a region.
    """

    points: np.ndarray
    is_hole: bool


def trace_contours(mask: np.ndarray) -> list[Contour]:
    """Find the outlines of all regions of a mask and of their holes.

    Pixels that touch at a corner only belong to different regions. Each horizontal stretch of border joins two
    neighbouring corners of a grid row, each vertical one two of a column, so that sorting pairs them all at once.

    Args:
        mask: (H, W), nonzero is inside.

    Returns:
        Contours in the order of their upper left corners; an empty list for an empty mask.
    """
    padded = np.pad(np.asarray(mask).astype(bool), 1)
    upper_left, upper_right = padded[:-1, :-1], padded[:-1, 1:]
    lower_left, lower_right = padded[1:, :-1], padded[1:, 1:]
    odd = upper_left ^ upper_right ^ lower_left ^ lower_right
    falling = upper_left & lower_right & ~upper_right & ~lower_left
    rising = upper_right & lower_left & ~upper_left & ~lower_right
    copies = odd + 2 * (falling | rising)
    y, x = np.nonzero(copies)
    twice = copies[y, x] == 2
    order = np.repeat(np.arange(len(y)), np.where(twice, 2, 1))
    y, x = y[order], x[order]
    second = np.concatenate([[False], order[1:] == order[:-1]]) if len(order) else np.zeros(0, bool)
    # Where two regions meet at a point, the left copy goes up for a falling pair and down for a rising one.
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
    """Walk horizontal and vertical links in turn until each corner is in a loop."""
    visited = bytearray(len(across))
    loops = []
    for start in range(len(across)):
        if visited[start]:
            continue
        loop: list[int] = []
        here = start
        while not visited[here]:
            there = across[here]
            visited[here] = visited[there] = 1
            loop += (here, there)
            here = along[there]
        loops.append(loop)
    return loops
