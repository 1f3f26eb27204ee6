"""Drawing under Detectron2's module path."""

import numpy as np

from detectory import visualization as native
from detectory.visualization import ColorMode, GenericMask, VisImage, random_color
from detectory.visualization.colors import Rgb
from detectory.visualization.contours import trace_contours
from detectory.visualization.segments import class_labels as _create_text_labels

__all__ = ["ColorMode", "GenericMask", "VisImage", "Visualizer", "_create_text_labels", "random_color"]


class Visualizer(native.Visualizer):
    """The library's visualizer, which fills masks with holes without a border, as Detectron2 does."""

    def _fill_mask(self, left: int, top: int, crop: np.ndarray, fill: Rgb, edge: Rgb | None, alpha: float) -> None:
        if not crop.size or not any(contour.is_hole for contour in trace_contours(crop)):
            super()._fill_mask(left, top, crop, fill, edge, alpha)
            return
        self._cover_pixels(crop, left, top, fill, alpha)
