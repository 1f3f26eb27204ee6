"""Resizing of images by the processors of DETR in transformers."""

import numpy as np

from detectory.data.transforms import Augmentation, ResizeTransform, Transform


class DETRResize(Augmentation):
    """Scale the shorter side to a length, with the longer side limited; the aspect ratio is kept.

    Unlike `ResizeShortestEdge`, the scaled side is rounded down, and a length that the limit reduces is rounded.

    Args:
        shortest_edge: Length of the shorter side in pixels.
        longest_edge: Maximum length of the longer side; `None` for no limit.
        round_first: Whether the reduced shorter side is rounded before the longer side is derived from it, as in
            maskrcnn-benchmark.
    """

    def __init__(self, shortest_edge: int, longest_edge: int | None = None, round_first: bool = False) -> None:
        self.shortest_edge, self.longest_edge, self.round_first = shortest_edge, longest_edge, round_first

    def get_transform(self, image: np.ndarray) -> Transform:
        """Return the transform from the size of this image."""
        height, width = image.shape[:2]
        shorter, longer = min(height, width), max(height, width)
        side, exact = self.shortest_edge, float(self.shortest_edge)
        if self.longest_edge is not None and longer / shorter * side > self.longest_edge:
            exact = self.longest_edge * float(shorter) / longer
            side = round(exact)
        if self.round_first:
            exact = float(side)
        scaled = longer if shorter == side else max(int(exact * longer / shorter), 1)
        new_height, new_width = (side, scaled) if height < width else (scaled, side)
        return ResizeTransform(height, width, new_height, new_width)
