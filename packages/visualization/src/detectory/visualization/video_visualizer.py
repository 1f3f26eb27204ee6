"""Visualizer for video frames with consistent colours per object."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectory.structures import Instances, SegmentInfo

from .drawing.colors import Rgb, to_rgb
from .drawing.palette import colormap
from .drawing.vis_image import VisImage
from .instance_arrays import upright_boxes_and_classes
from .label_texts import class_labels
from .panoptic_segments import panoptic_segments
from .visualizer import ColorMode, Visualizer

_MIN_IOU = 0.5
_MAX_MISSING_FRAMES = 8


@dataclass
class _TrackedObject:
    """An object of earlier frames: its last box, its class and colour, and the frames since it was last detected."""

    box: np.ndarray
    category: int
    color: Rgb
    missing_frames: int = 0


class VideoVisualizer:
    """Visualizer for the consecutive frames of a video.

    A detection has the colour of the object of the same class whose last box overlaps it with an IoU of at least 0.5;
    objects are remembered for eight frames without a detection. If predictions have a field `ID` from a tracker, the
    colour depends on `ID` only.

    Args:
        metadata: Metadata of the dataset, as for `Visualizer`.
        instance_mode: IMAGE or IMAGE_BW for one colour per object, SEGMENTATION for one colour per class.
    """

    def __init__(self, metadata: Any, instance_mode: ColorMode = ColorMode.IMAGE) -> None:
        self.metadata = metadata
        self.instance_mode = instance_mode
        self._objects: list[_TrackedObject] = []
        self._num_colors = 0
        self._color_by_id: dict[int, Rgb] = {}

    def draw_instance_predictions(self, frame: np.ndarray, predictions: Instances) -> VisImage:
        """Draw the predictions of a detector on one frame.

        Args:
            frame: (H, W, 3) RGB in [0, 255].
            predictions: As for `Visualizer.draw_instance_predictions`; objects are matched by their boxes.
        """
        visualizer = Visualizer(frame, self.metadata, instance_mode=self.instance_mode)
        return visualizer.draw_instance_predictions(predictions, assigned_colors=self._colors(predictions))

    def draw_sem_seg(self, frame: np.ndarray, sem_seg: Any, area_threshold: float | None = None) -> VisImage:
        """Draw a semantic segmentation (H, W) in the colours of the classes."""
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
        """Draw a panoptic segmentation: stuff in the colours of the classes, things in one colour per object.

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
        classes = [s.category_id for s in things]
        scores = [s.score for s in things if s.score is not None]
        all_scored = len(scores) == len(things)
        texts = class_labels(classes, scores if all_scored else None, getattr(self.metadata, "thing_classes", None))
        colors = self._match_colors(_bounding_boxes(masks), classes)
        return visualizer.overlay_instances(masks=masks, labels=texts, assigned_colors=colors, alpha=alpha)

    def _colors(self, predictions: Instances) -> list[Rgb] | None:
        if self.instance_mode == ColorMode.SEGMENTATION:
            return None
        if predictions.has("ID"):
            return [self._id_color(int(track_id)) for track_id in predictions.ID]
        boxes, classes = upright_boxes_and_classes(predictions)
        return self._match_colors(boxes, classes)

    def _id_color(self, track_id: int) -> Rgb:
        if track_id not in self._color_by_id:
            self._color_by_id[track_id] = self._next_color()
        return self._color_by_id[track_id]

    def _match_colors(self, boxes: np.ndarray, classes: Sequence[int]) -> list[Rgb]:
        """Match boxes (N, 4) greedily to the known objects, in order of decreasing IoU, and return their colours."""
        iou = _box_iou(boxes, np.array([known.box for known in self._objects]).reshape(-1, 4))
        iou[np.asarray(classes)[:, None] != np.array([known.category for known in self._objects])[None]] = 0
        matches: dict[int, int] = {}
        for flat_index in np.argsort(-iou, axis=None, kind="stable").tolist() if iou.size else ():
            detection, known = divmod(flat_index, iou.shape[1])
            if iou[detection, known] < _MIN_IOU:
                break
            if detection not in matches and known not in matches.values():
                matches[detection] = known
        unmatched = [known for index, known in enumerate(self._objects) if index not in matches.values()]
        detected = []
        for index, (box, category) in enumerate(zip(boxes, classes, strict=True)):
            color = self._objects[matches[index]].color if index in matches else self._next_color()
            detected.append(_TrackedObject(box, category, color))
        for missing in unmatched:
            missing.missing_frames += 1
        remembered = [missing for missing in unmatched if missing.missing_frames < _MAX_MISSING_FRAMES]
        self._objects = detected + remembered
        return [tracked.color for tracked in detected]

    def _next_color(self) -> Rgb:
        palette = colormap(rgb=True, maximum=1)
        color = to_rgb(palette[self._num_colors % len(palette)])
        self._num_colors += 1
        return color


def _box_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    top_left = np.maximum(first[:, None, :2], second[None, :, :2])  # (N, M, 2)
    bottom_right = np.minimum(first[:, None, 2:], second[None, :, 2:])
    intersection = (bottom_right - top_left).clip(min=0).prod(axis=2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (first, second)]
    return intersection / np.maximum(areas[0][:, None] + areas[1][None] - intersection, 1e-9)


def _bounding_boxes(masks: Sequence[np.ndarray]) -> np.ndarray:
    boxes = np.zeros((len(masks), 4))
    for box, mask in zip(boxes, masks, strict=True):
        ys, xs = np.nonzero(mask)
        box[:] = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
    return boxes
