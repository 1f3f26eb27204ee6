"""Placement of labels near their object, inside the image and without overlap."""

from collections.abc import Sequence

import numpy as np


class LabelPlacer:
    """Finder of free label positions, which remembers the labels placed so far.

    Args:
        width: Width of the image in pixels.
        height: Height of the image in pixels.
        max_overlap: Maximum fraction of a label's area that other labels may cover.
    """

    def __init__(self, width: int, height: int, max_overlap: float = 0.12) -> None:
        self.width = width
        self.height = height
        self.max_overlap = max_overlap
        self._placed = np.zeros((64, 4))
        self._count = 0

    def place_at_box(self, box: Sequence[float], size: tuple[int, int]) -> tuple[int, int] | None:
        """Place a label at a box, preferably at its upper left corner.

        Args:
            box: (x1, y1, x2, y2) in pixels.
            size: (width, height) of the label in pixels.

        Returns:
            (left, top) of the label, or None if it would overlap other labels at every candidate position. The label is
            inside the image, except that a label wider than the image extends beyond the right border.
        """
        x1, y1, x2, y2 = (float(v) for v in box)
        w, h = size
        candidates = (
            (x1, y1 - h) if y1 >= h else (x1, y1),
            (x1, y1),
            (x2 - w, y1 - h),
            (x1, y2),
            (x2 - w, y1),
            (x1, y2 - h),
            (x2, y1),
            (x1 - w, y1),
            ((x1 + x2 - w) / 2, (y1 + y2 - h) / 2),
        )
        return self._first_free(candidates, size)

    def place_at_point(self, x: float, y: float, size: tuple[int, int]) -> tuple[int, int] | None:
        """Place a label of `size` (width, height) centred on a point, or up to two label heights above or below.

        Returns:
            (left, top) of the label, or None if it would overlap other labels at every candidate position.
        """
        w, h = size
        candidates = [(x - w / 2, y - h / 2 + shift * h) for shift in (0, -1, 1, -2, 2)]
        return self._first_free(candidates, size)

    def _first_free(self, candidates: Sequence[tuple[float, float]], size: tuple[int, int]) -> tuple[int, int] | None:
        w, h = size
        for x, y in candidates:
            left = max(min(round(x), self.width - w), 0)
            top = max(min(round(y), self.height - h), 0)
            if self._is_free(left, top, w, h):
                self._remember(left, top, w, h)
                return left, top
        return None

    def _is_free(self, left: int, top: int, w: int, h: int) -> bool:
        placed = self._placed[: self._count]  # (N, 4) as (x1, y1, x2, y2)
        overlap_width = np.minimum(placed[:, 2], left + w) - np.maximum(placed[:, 0], left)
        overlap_height = np.minimum(placed[:, 3], top + h) - np.maximum(placed[:, 1], top)
        overlaps = overlap_width.clip(min=0) * overlap_height.clip(min=0)
        areas = (placed[:, 2] - placed[:, 0]) * (placed[:, 3] - placed[:, 1])
        # The second condition prevents a long label from hiding a short one.
        return bool(overlaps.sum() <= self.max_overlap * w * h and (overlaps <= self.max_overlap * areas).all())

    def _remember(self, left: int, top: int, w: int, h: int) -> None:
        if self._count == len(self._placed):
            self._placed = np.concatenate([self._placed, np.zeros_like(self._placed)])
        self._placed[self._count] = left, top, left + w, top + h
        self._count += 1
