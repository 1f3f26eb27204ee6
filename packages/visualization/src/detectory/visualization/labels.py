"""Placement of labels next to or inside their object, inside the image and without overlap."""

from collections.abc import Sequence

import numpy as np


class LabelPlacer:
    """Finds free positions for labels and keeps track of those taken.

    Args:
        width, height: Of the image in pixels.
        largest_overlap: Maximum fraction of a label's area that other labels may cover.
    """

    def __init__(self, width: int, height: int, largest_overlap: float = 0.12) -> None:
        self.width = width
        self.height = height
        self.largest_overlap = largest_overlap
        self._taken = np.zeros((64, 4))
        self._count = 0

    def place_at_box(self, box: Sequence[float], size: tuple[int, int]) -> tuple[int, int] | None:
        """Find a place for a label of `size` (width, height) at a box (x1, y1, x2, y2), its upper left corner first.

        Returns:
            The label's upper left corner, so that the label is inside the image (clipped on the right if the image
            is narrower than the label), or None if the label would cover earlier labels at every position.
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
        """Find a place for a label of `size` centred on a point, else just above or below; as `place_at_box`."""
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
        taken = self._taken[: self._count]
        wide = np.minimum(taken[:, 2], left + w) - np.maximum(taken[:, 0], left)
        high = np.minimum(taken[:, 3], top + h) - np.maximum(taken[:, 1], top)
        common = wide.clip(min=0) * high.clip(min=0)
        theirs = (taken[:, 2] - taken[:, 0]) * (taken[:, 3] - taken[:, 1])
        # The second condition prevents a long label from hiding a short one.
        return bool(common.sum() <= self.largest_overlap * w * h and (common <= self.largest_overlap * theirs).all())

    def _remember(self, left: int, top: int, w: int, h: int) -> None:
        if self._count == len(self._taken):
            self._taken = np.concatenate([self._taken, np.zeros_like(self._taken)])
        self._taken[self._count] = left, top, left + w, top + h
        self._count += 1
