"""Visualization under Detectron2's module path."""

from typing import Any

import numpy as np
import torch

from detectory import visualization as native
from detectory.compat.detectron2.utils.file_io import PathManager
from detectory.data import MetadataCatalog
from detectory.structures import BitMasks, Boxes, BoxMode, Keypoints, PolygonMasks, RotatedBoxes
from detectory.visualization import ColorMode, GenericMask, VisImage, random_color
from detectory.visualization.colors import Color, Rgb, to_rgb, with_lightness
from detectory.visualization.contours import trace_contours
from detectory.visualization.generic_mask import generic_masks
from detectory.visualization.segments import class_labels as _create_text_labels
from detectory.visualization.visualizer import _OFF_WHITE

__all__ = [
    "_BLACK",
    "_KEYPOINT_THRESHOLD",
    "_OFF_WHITE",
    "_RED",
    "BitMasks",
    "BoxMode",
    "Boxes",
    "ColorMode",
    "GenericMask",
    "Keypoints",
    "MetadataCatalog",
    "PathManager",
    "PolygonMasks",
    "RotatedBoxes",
    "VisImage",
    "Visualizer",
    "_create_text_labels",
    "random_color",
]

_KEYPOINT_THRESHOLD = 0.05
_BLACK: Rgb = (0.0, 0.0, 0.0)
_RED: Rgb = (1.0, 0.0, 0.0)


class Visualizer(native.Visualizer):
    """A `Visualizer` that draws masks with holes without an outline, as Detectron2 does.

    Provides the helper methods used by subclasses in other projects, such as `_jitter` and `_convert_boxes`.
    """

    cpu_device = torch.device("cpu")

    @property
    def _default_font_size(self) -> float:
        return self.font_size

    @property
    def _instance_mode(self) -> ColorMode:
        return self.instance_mode

    @_instance_mode.setter
    def _instance_mode(self, mode: ColorMode) -> None:
        self.instance_mode = mode

    def _jitter(self, color: Color) -> tuple[float, ...]:
        """Return a random colour close to the given one."""
        shift = np.random.uniform(-1, 1, 3)
        return tuple(np.clip(np.array(to_rgb(color)) + 0.5 * shift / np.linalg.norm(shift), 0, 1).tolist())

    def _change_color_brightness(self, color: Color, brightness_factor: float) -> Rgb:
        """Return a colour with its lightness changed by `brightness_factor`, in [-1, 1]."""
        return with_lightness(to_rgb(color), brightness_factor)

    def _convert_boxes(self, boxes: Any) -> np.ndarray:
        """Convert boxes to an array `(N, 4)` or `(N, 5)`."""
        return _array(boxes)

    def _convert_keypoints(self, keypoints: Any) -> np.ndarray:
        """Convert keypoints to an array `(N, K, 3)`."""
        return _array(keypoints)

    def _convert_masks(self, masks_or_polygons: Any) -> list[GenericMask]:
        """Convert masks of any representation to `GenericMask`."""
        return generic_masks(masks_or_polygons, self.output.height, self.output.width)

    def _create_grayscale_image(self, mask: np.ndarray | None = None) -> np.ndarray:
        """Return the image in grayscale, except for the pixels where `mask` `(H, W)` is true."""
        gray = np.repeat(self.img.astype(np.float32).mean(axis=2, keepdims=True), 3, axis=2)
        return gray if mask is None else np.where(mask[:, :, None], self.img, gray)

    def _fill_mask(self, left: int, top: int, crop: np.ndarray, fill: Rgb, edge: Rgb | None, alpha: float) -> None:
        if not crop.size or not any(contour.is_hole for contour in trace_contours(crop)):
            super()._fill_mask(left, top, crop, fill, edge, alpha)
            return
        self._cover_pixels(crop, left, top, fill, alpha)


def _array(values: Any) -> np.ndarray:
    values = getattr(values, "tensor", values)
    return values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
