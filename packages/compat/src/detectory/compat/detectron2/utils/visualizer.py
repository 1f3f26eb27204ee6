"""Visualization under Detectron2's module path."""

import functools
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from detectory import visualization as native
from detectory.compat.detectron2.utils.file_io import PathManager
from detectory.data import MetadataCatalog
from detectory.structures import BitMasks, Boxes, BoxMode, Keypoints, PolygonMasks, RotatedBoxes
from detectory.visualization import ColorMode, GenericMask, random_color
from detectory.visualization.drawing.canvas import opacity_byte
from detectory.visualization.drawing.colors import OFF_WHITE as _OFF_WHITE
from detectory.visualization.drawing.colors import Color, Rgb, to_rgb, with_lightness
from detectory.visualization.label_texts import class_labels
from detectory.visualization.masks.contours import trace_contours
from detectory.visualization.masks.generic_mask import generic_masks

__all__ = [
    "_BLACK",
    "_KEYPOINT_THRESHOLD",
    "_LARGE_MASK_AREA_THRESH",
    "_OFF_WHITE",
    "_RED",
    "_SMALL_OBJECT_AREA_THRESH",
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
    "_PanopticPrediction",
    "_create_text_labels",
    "logger",
    "random_color",
]

logger = logging.getLogger(__name__)

_SMALL_OBJECT_AREA_THRESH = 1000  # square pixels
_LARGE_MASK_AREA_THRESH = 120000  # square pixels
_KEYPOINT_THRESHOLD = 0.05
_BLACK: Rgb = (0.0, 0.0, 0.0)
_RED: Rgb = (1.0, 0.0, 0.0)


def _create_text_labels(
    classes: Sequence[int] | None,
    scores: Sequence[float] | None,
    class_names: Sequence[str] | None,
    is_crowd: Sequence[bool] | None = None,
) -> list[str] | None:
    """Return a label of class, score and crowd mark per instance; None without classes and scores."""
    return class_labels(classes, scores, class_names, is_crowd)


class VisImage(native.VisImage):
    """A `detectory.visualization.VisImage` on which programs may also draw with Matplotlib.

    The figure is created by the first access to `fig` or `ax`, which requires Matplotlib. Its axes have the pixel
    coordinates of the unscaled image. `get_image` and `save` draw the figure on top of the image.
    """

    @functools.cached_property
    def fig(self) -> Any:
        """The transparent Matplotlib figure."""
        try:
            from matplotlib.backends.backend_agg import FigureCanvasAgg
            from matplotlib.figure import Figure
        except ImportError as error:
            raise ImportError("VisImage.fig requires Matplotlib: pip install 'detectory-compat[projects]'") from error
        width, height = self.canvas.image.size
        # Half a pixel more, because Matplotlib truncates the size.
        figure = Figure(((width + 0.5) / 100, (height + 0.5) / 100), dpi=100, frameon=False)
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.axis("off")
        axes.set_xlim(0.0, self.width)
        axes.set_ylim(self.height, 0.0)
        return figure

    @property
    def ax(self) -> Any:
        """The axes of the figure."""
        return self.fig.axes[0]

    def get_image(self) -> np.ndarray:
        """Return a copy of the image with all drawings, `(int(H * scale), int(W * scale), 3)` uint8 RGB."""
        if "fig" not in vars(self):
            return super().get_image()
        self.fig.canvas.draw()
        overlay = Image.fromarray(np.asarray(self.fig.canvas.buffer_rgba()))
        image = self.canvas.image.convert("RGBA")
        image.alpha_composite(overlay.crop((0, 0, *image.size)))
        return np.array(image.convert("RGB"))

    def save(self, filepath: str | os.PathLike) -> None:
        """Write the image in the format of the file suffix and create missing folders."""
        Path(filepath).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(self.get_image()).save(filepath)


class Visualizer(native.Visualizer):
    """A `Visualizer` that draws masks with holes without an outline, as Detectron2 does.

    Provides the helper methods used by subclasses in other projects, such as `_jitter` and `_convert_boxes`.
    """

    cpu_device = torch.device("cpu")

    def __init__(
        self,
        img_rgb: Any,
        metadata: Any = None,
        scale: float = 1.0,
        instance_mode: ColorMode = ColorMode.IMAGE,
        font_size_scale: float = 1.0,
    ) -> None:
        super().__init__(img_rgb, metadata, scale, instance_mode, font_size_scale)
        self.output = VisImage(self.img, scale)
        self.img = self.output.img

    @property
    def _default_font_size(self) -> float:
        return self.font_size

    @_default_font_size.setter
    def _default_font_size(self, size: float) -> None:
        self.font_size = size

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

    def overlay_instances(self, *, boxes: Any = None, masks: Any = None, keypoints: Any = None, **kwargs: Any) -> Any:
        """Draw instances; see `detectory.visualization.Visualizer.overlay_instances`."""
        boxes = None if boxes is None else self._convert_boxes(boxes)
        keypoints = None if keypoints is None else self._convert_keypoints(keypoints)
        return super().overlay_instances(boxes=boxes, masks=masks, keypoints=keypoints, **kwargs)

    def _masks(self, masks: Any) -> list[GenericMask]:
        return self._convert_masks(masks)

    def _replaces(self, method: str) -> bool:
        """Return whether a subclass replaces a method of this class."""
        return getattr(type(self), method) is not getattr(Visualizer, method)

    def _draw_shape(self, mask: GenericMask, color: Rgb, alpha: float) -> None:
        if not self._replaces("draw_polygon"):
            super()._draw_shape(mask, color, alpha)
            return
        for polygon in mask.polygons:
            self.draw_polygon(np.asarray(polygon).reshape(-1, 2), color, alpha=alpha)

    def _instance_colors(self, classes: Sequence[int] | None, count: int, jittering: bool = True) -> list[Rgb]:
        colors = super()._instance_colors(classes, count, jittering and not self._replaces("_jitter"))
        is_varied = jittering and self.instance_mode == ColorMode.SEGMENTATION and classes is not None
        return [to_rgb(self._jitter(c)) for c in colors] if is_varied and self._replaces("_jitter") else colors

    def gray_outside(self, covered: np.ndarray) -> None:
        """Convert the pixels outside `covered` to gray; see `detectory.visualization.Visualizer.gray_outside`."""
        if self._replaces("_create_grayscale_image"):
            self.output.reset_image(np.asarray(self._create_grayscale_image(covered)).astype(np.uint8))
        else:
            super().gray_outside(covered)

    def _draw_text_in_mask(self, binary_mask: np.ndarray, text: str, color: Color) -> None:
        """Write a text at the centre of the largest part of a mask `(H, W)`."""
        rows, columns = np.nonzero(binary_mask)
        if len(rows):
            self.draw_text(text, (float(np.median(columns)), float(np.median(rows))), color=color)

    def _create_grayscale_image(self, mask: np.ndarray | None = None) -> np.ndarray:
        """Return the image in grayscale, except for the pixels where `mask` `(H, W)` is true."""
        gray = np.repeat(self.img.astype(np.float32).mean(axis=2, keepdims=True), 3, axis=2)
        return gray if mask is None else np.where(mask[:, :, None], self.img, gray)

    def _fill_mask(self, left: int, top: int, crop: np.ndarray, fill: Rgb, edge: Rgb | None, alpha: float) -> None:
        if not crop.size or not any(contour.is_hole for contour in trace_contours(crop)):
            super()._fill_mask(left, top, crop, fill, edge, alpha)
            return
        scale = self.output.scale
        size = (max(round(crop.shape[1] * scale), 1), max(round(crop.shape[0] * scale), 1))
        opacity = crop.view(np.uint8) * np.uint8(opacity_byte(alpha))
        coverage = Image.fromarray(opacity).resize(size, Image.Resampling.NEAREST)
        self.output.canvas.cover(coverage, round(left * scale), round(top * scale), fill)


def _array(values: Any) -> np.ndarray:
    values = getattr(values, "tensor", values)
    return values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)


class _PanopticPrediction:
    """Segments of a panoptic prediction.

    Args:
        panoptic_seg: Segment ids `(H, W)`.
        segments_info: Dictionaries with `id`, `isthing` and `category_id`; by default ids are
            `category_id * label_divisor + instance`.
        metadata: Metadata of the dataset, needed without `segments_info`.
    """

    def __init__(
        self,
        panoptic_seg: torch.Tensor,
        segments_info: Sequence[dict[str, Any]] | None,
        metadata: Any = None,
    ) -> None:
        ids = panoptic_seg.cpu().numpy()
        if segments_info is None:
            things = metadata.thing_dataset_id_to_contiguous_id.values()
            classes = {int(i): int(i) // metadata.label_divisor for i in np.unique(ids) if i != -1}
            segments_info = [{"id": i, "category_id": c, "isthing": c in things} for i, c in classes.items()]
        self._seg = ids
        self._segments = {segment["id"]: segment for segment in segments_info}
        present, areas = np.unique(ids, return_counts=True)
        # In descending order of their area, so that small segments are drawn on top.
        self._ids = [int(present[i]) for i in np.argsort(-areas, kind="stable") if int(present[i]) in self._segments]

    def non_empty_mask(self) -> np.ndarray:
        """Return the pixels `(H, W)` that belong to a segment."""
        return np.isin(self._seg, self._ids)

    def semantic_masks(self) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
        """Yield mask and description of every stuff segment."""
        return self._masks(is_thing=False)

    def instance_masks(self) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
        """Yield mask and description of every thing segment."""
        return self._masks(is_thing=True)

    def _masks(self, is_thing: bool) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
        for segment_id in self._ids:
            segment = self._segments[segment_id]
            if bool(segment["isthing"]) == is_thing:
                yield self._seg == segment_id, segment
