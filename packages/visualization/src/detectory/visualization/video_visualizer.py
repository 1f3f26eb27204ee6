"""Visualizer for video frames, with colours that follow the objects."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectory.structures import Instances
from detectory.structures.records import SegmentInfo

from .colors import Rgb, to_rgb
from .palette import colormap
from .segments import class_labels, panoptic_segments
from .vis_image import VisImage
from .visualizer import ColorMode, Visualizer, instance_arrays

_MIN_IOU = 0.5
_MAX_MISSING_FRAMES = 8


@dataclass
class _Seen:
    """An object of earlier frames: its last box, class and colour, and the number of frames since."""

    box: np.ndarray
    label: int
    color: Rgb
    missing: int = 0


class VideoVisualizer:
    """Draws predictions frame after frame.

    An object keeps its colour as long as its box overlaps, by an IoU of 0.5, the box of the same class that it had in
    one of the last eight frames. Predictions with an `ID` field (from a tracker) are matched by id instead.

    Args:
        metadata: As for `Visualizer`.
        instance_mode: IMAGE or IMAGE_BW for a colour per object, SEGMENTATION for one per class.
    """

    def __init__(self, metadata: Any, instance_mode: ColorMode = ColorMode.IMAGE) -> None:
        self.metadata = metadata
        self.instance_mode = instance_mode
        self._seen: list[_Seen] = []
        self._num_colors = 0
        self._color_of_id: dict[int, Rgb] = {}

    def draw_instance_predictions(self, frame: np.ndarray, predictions: Instances) -> VisImage:
        """Draw instances.

        Args:
            frame: (H, W, 3) RGB in [0, 255].
            predictions: As for `Visualizer.draw_instance_predictions`; boxes are what objects are followed by.
        """
        visualizer = Visualizer(frame, self.metadata, instance_mode=self.instance_mode)
        return visualizer.draw_instance_predictions(predictions, assigned_colors=self._colors(predictions))

    def draw_sem_seg(self, frame: np.ndarray, sem_seg: Any, area_threshold: float | None = None) -> VisImage:
        """Draw a semantic segmentation (H, W); colours are those of the classes."""
        visualizer = Visualizer(frame, self.metadata, instance_mode=self.instance_mode)
        return visualizer.draw_sem_seg(sem_seg, area_threshold)

    def draw_panoptic_seg_predictions(
        self,
        frame: np.ndarray,
        panoptic_seg: Any,
        segments_info: Sequence[SegmentInfo] | None,
        area_threshold: float | None = None,
        alpha: float = 0.5,
    ) -> VisImage:
        """Draw a panoptic segmentation: stuff by the colours of its classes, things by those that follow them.

        Args:
            frame, panoptic_seg, segments_info, area_threshold, alpha: As for `Visualizer.draw_panoptic_seg`.
        """
        visualizer = Visualizer(frame, self.metadata, instance_mode=self.instance_mode)
        ids = np.asarray(panoptic_seg.cpu() if hasattr(panoptic_seg, "cpu") else panoptic_seg)
        segments = panoptic_segments(ids, segments_info, self.metadata)
        stuff: list[SegmentInfo] = [
            {"id": s.id, "category_id": s.category_id, "isthing": False} for s in segments if not s.is_thing
        ]
        things = [s for s in segments if s.is_thing and s.area > 0]
        if self.instance_mode == ColorMode.IMAGE_BW:
            visualizer.gray_outside(np.isin(ids, [s.id for s in segments]))
            visualizer.instance_mode = ColorMode.IMAGE
        visualizer.draw_panoptic_seg(ids, stuff, area_threshold, alpha)
        masks = [ids == s.id for s in things]
        labels = [s.category_id for s in things]
        scores = [s.score for s in things]
        known = None if None in scores else [float(score or 0) for score in scores]
        texts = class_labels(labels, known, getattr(self.metadata, "thing_classes", None))
        colors = self._follow(_boxes_of(masks), labels)
        return visualizer.overlay_instances(masks=masks, labels=texts, assigned_colors=colors, alpha=alpha)

    def _colors(self, predictions: Instances) -> list[Rgb] | None:
        if self.instance_mode == ColorMode.SEGMENTATION:
            return None
        if predictions.has("ID"):
            return [self._color_of(int(identity)) for identity in predictions.ID]
        boxes, labels = instance_arrays(predictions)
        return self._follow(boxes, labels)

    def _color_of(self, identity: int) -> Rgb:
        if identity not in self._color_of_id:
            self._color_of_id[identity] = self._next_color()
        return self._color_of_id[identity]

    def _follow(self, boxes: np.ndarray, labels: Sequence[int]) -> list[Rgb]:
        """Match boxes (N, 4) to those seen before, best overlap first, and return their colours."""
        overlaps = _box_iou(boxes, np.array([s.box for s in self._seen]).reshape(-1, 4))
        overlaps[np.asarray(labels)[:, None] != np.array([s.label for s in self._seen])[None]] = 0
        match: dict[int, int] = {}
        for flat in np.argsort(-overlaps, axis=None, kind="stable").tolist() if overlaps.size else ():
            now, before = divmod(flat, overlaps.shape[1])
            if overlaps[now, before] < _MIN_IOU:
                break
            if now not in match and before not in match.values():
                match[now] = before
        gone = [s for index, s in enumerate(self._seen) if index not in match.values()]
        seen = []
        for index, (box, label) in enumerate(zip(boxes, labels, strict=True)):
            color = self._seen[match[index]].color if index in match else self._next_color()
            seen.append(_Seen(box, label, color))
        for old in gone:
            old.missing += 1
        self._seen = seen + [old for old in gone if old.missing < _MAX_MISSING_FRAMES]
        return [s.color for s in seen]

    def _next_color(self) -> Rgb:
        palette = colormap(rgb=True, maximum=1)
        color = to_rgb(palette[self._num_colors % len(palette)])
        self._num_colors += 1
        return color


def _box_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = (high - low).clip(min=0).prod(axis=2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (first, second)]
    return shared / np.maximum(areas[0][:, None] + areas[1][None] - shared, 1e-9)


def _boxes_of(masks: Sequence[np.ndarray]) -> np.ndarray:
    boxes = np.zeros((len(masks), 4))
    for box, mask in zip(boxes, masks, strict=True):
        ys, xs = np.nonzero(mask)
        box[:] = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
    return boxes
