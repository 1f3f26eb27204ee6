"""Video visualization under Detectron2's module path, with the methods that projects override."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from detectory import visualization as native
from detectory.compat.detectron2.utils.visualizer import (
    ColorMode,
    Visualizer,
    _create_text_labels,
    _PanopticPrediction,
)
from detectory.structures import Instances
from detectory.visualization import random_color, random_colors
from detectory.visualization.instance_arrays import upright_boxes_and_classes

__all__ = [
    "ColorMode",
    "VideoVisualizer",
    "Visualizer",
    "_DetectedInstance",
    "_PanopticPrediction",
    "_create_text_labels",
    "random_color",
    "random_colors",
]


class _DetectedInstance:
    """An object of a frame.

    Args:
        label: Class id.
        bbox: `(x1, y1, x2, y2)`.
        mask_rle: RLE of the mask, or None.
        color: Assigned colour, or None.
        ttl: Number of frames without the object after which it is forgotten.
    """

    __slots__ = ["bbox", "color", "label", "mask_rle", "ttl"]

    def __init__(self, label: int, bbox: Any, mask_rle: Any, color: Any, ttl: int) -> None:
        self.label = label
        self.bbox = bbox
        self.mask_rle = mask_rle
        self.color = color
        self.ttl = ttl


class VideoVisualizer(native.VideoVisualizer):
    """`detectory.visualization.VideoVisualizer` that assigns colours in `_assign_colors` and `_assign_colors_by_id`."""

    @property
    def _instance_mode(self) -> ColorMode:
        return self.instance_mode

    @property
    def _old_instances(self) -> list[_DetectedInstance]:
        """The objects that are remembered, in Detectron2's form."""
        return [_DetectedInstance(x.category, x.box, None, x.color, 8 - x.missing_frames) for x in self._objects]

    def _colors(self, predictions: Instances) -> Any:
        if self.instance_mode == ColorMode.SEGMENTATION:
            return None
        if predictions.has("ID"):
            return self._assign_colors_by_id(predictions)
        boxes, labels = upright_boxes_and_classes(predictions)
        return self._assign_colors(
            [_DetectedInstance(label, box, None, None, 8) for box, label in zip(boxes, labels, strict=True)]
        )

    def _assign_colors(self, instances: Sequence[_DetectedInstance]) -> list[Any]:
        """Return a colour per object, the previous one if the object was in an earlier frame."""
        boxes = np.array([instance.bbox for instance in instances], dtype=float).reshape(-1, 4)
        colors = self._match_colors(boxes, [instance.label for instance in instances])
        for instance, color in zip(instances, colors, strict=True):
            instance.color = color
        return colors

    def _assign_colors_by_id(self, instances: Instances) -> list[Any]:
        """Return a colour per object, selected by its `ID`."""
        return [self._id_color(int(track_id)) for track_id in instances.ID]
