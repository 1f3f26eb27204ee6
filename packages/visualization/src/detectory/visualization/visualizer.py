"""Visualizer for predictions and dataset annotations: instances, keypoints, semantic and panoptic segmentations."""

from collections.abc import Mapping, Sequence
from enum import Enum, unique
from typing import Any

import numpy as np
import torch
from PIL import Image

from detectory.structures import Boxes, BoxMode, Instances, Keypoints, RotatedBoxes
from detectory.structures.records import Annotation, SegmentInfo

from .colors import Color, Rgb, to_rgb, varied
from .drawing import Drawing, rotated_corners
from .generic_mask import GenericMask, cropped, generic_masks
from .keypoint_lines import body_midlines, connected_pairs
from .palette import colormap
from .segments import class_labels, panoptic_segments, rgb_to_ids
from .vis_image import VisImage

_OFF_WHITE: Rgb = (1.0, 1.0, 240 / 255)
_KEYPOINT_RED: Rgb = (1.0, 0.15, 0.15)


@unique
class ColorMode(Enum):
    """Colours of instances."""

    IMAGE = 0
    """Every instance has its own colour; segmentations are overlaid with low opacity."""
    SEGMENTATION = 1
    """Instances of a class have similar colours (`metadata.thing_colors`), overlaid with high opacity."""
    IMAGE_BW = 2
    """Like IMAGE, with everything outside the masks in gray; for instance and panoptic predictions."""


_ALPHA = {ColorMode.IMAGE: 0.5, ColorMode.SEGMENTATION: 0.8, ColorMode.IMAGE_BW: 0.3}


class Visualizer(Drawing):
    """Draws detections, segmentations and dataset records on one image.

    Colours are the same in every run: instance `i` has entry `i` of `colormap`, and a class without a colour in the
    metadata has the entry of its id. Labels are placed at their object, inside the image. A label that would cover
    others is drawn smaller or left out.

    Args:
        img_rgb: (H, W, 3) RGB in [0, 255]; grayscale and RGBA are accepted too.
        metadata: Any object with some of the attributes `thing_classes`, `thing_colors`, `stuff_classes`,
            `stuff_colors` (colours in [0, 255]), `keypoint_names`, `keypoint_connection_rules`, `label_divisor`,
            `stuff_dataset_id_to_contiguous_id`, `thing_dataset_id_to_contiguous_id`; or None.
        scale: Factor of both sides of the output.
        instance_mode: Colours of instances.
        font_size_scale: Factor of the size of text.

    Attributes:
        keypoint_threshold: Keypoints of a lower score are not drawn.
    """

    def __init__(
        self,
        img_rgb: Any,
        metadata: Any = None,
        scale: float = 1.0,
        instance_mode: ColorMode = ColorMode.IMAGE,
        font_size_scale: float = 1.0,
    ) -> None:
        super().__init__(img_rgb, scale, font_size_scale)
        self.metadata = metadata
        self.instance_mode = instance_mode
        self.keypoint_threshold = 0.05

    def draw_instance_predictions(
        self, predictions: Instances, jittering: bool = True, *, assigned_colors: Sequence[Color] | None = None
    ) -> VisImage:
        """Draw the predictions of a detector.

        Args:
            predictions: With some of `pred_boxes`, `scores`, `pred_classes`, `pred_keypoints` and `pred_masks`
                ((N, H, W), `BitMasks` or `PolygonMasks`) or `pred_masks_rle` (COCO RLEs).
            jittering: In `ColorMode.SEGMENTATION`, vary the colours of objects of one class; else all have the class's.
            assigned_colors: N colours; by default those of `instance_mode`.
        """
        classes = predictions.pred_classes.tolist() if predictions.has("pred_classes") else None
        scores = predictions.scores.tolist() if predictions.has("scores") else None
        masks = None
        if predictions.has("pred_masks"):
            masks = self._masks(predictions.pred_masks)
        elif predictions.has("pred_masks_rle"):
            masks = self._masks(predictions.pred_masks_rle)
        if self.instance_mode == ColorMode.IMAGE_BW:
            covered = np.zeros(self.img.shape[:2], dtype=bool)
            for mask in masks or ():
                covered |= mask.mask
            self.gray_outside(covered)
        return self.overlay_instances(
            boxes=predictions.pred_boxes if predictions.has("pred_boxes") else None,
            labels=class_labels(classes, scores, self._names("thing_classes")),
            masks=masks,
            keypoints=predictions.pred_keypoints if predictions.has("pred_keypoints") else None,
            assigned_colors=assigned_colors or self._instance_colors(classes, _count(predictions), jittering),
            alpha=_ALPHA[self.instance_mode],
        )

    def draw_sem_seg(self, sem_seg: Any, area_threshold: float | None = None, alpha: float = 0.8) -> VisImage:
        """Draw a semantic segmentation.

        Args:
            sem_seg: (H, W) class ids; ids at or above the number of `metadata.stuff_classes` are not drawn.
            area_threshold: Classes with fewer pixels are drawn without a label (None: all have one).
            alpha: Opacity in [0, 1].
        """
        labels = self._check_size(sem_seg, "draw_sem_seg")
        names = self._names("stuff_classes")
        ids, areas = np.unique(labels, return_counts=True)
        texts = []
        for label, area in sorted(zip(ids.tolist(), areas.tolist(), strict=True), key=lambda pair: -pair[1]):
            if label < 0 or (names is not None and label >= len(names)):
                continue
            color = self._class_color("stuff_colors", label)
            left, top, crop = cropped(labels == label)
            self._fill_mask(left, top, crop, color, _OFF_WHITE, alpha)
            if area_threshold is None or area >= area_threshold:
                texts.append((names[label] if names is not None else str(label), left, top, crop, color))
        for text in texts:
            self._place_label_in_mask(*text)
        return self.output

    def draw_panoptic_seg(
        self,
        panoptic_seg: Any,
        segments_info: Sequence[SegmentInfo] | None,
        area_threshold: float | None = None,
        alpha: float = 0.7,
    ) -> VisImage:
        """Draw a panoptic segmentation.

        Args:
            panoptic_seg: (H, W) ids of segments; 0 and -1 for no segment.
            segments_info: For each segment a dict with `id`, `category_id`, `isthing` and, if known, `score` and
                `iscrowd`. None: the category of a pixel is its id // `metadata.label_divisor`.
            area_threshold: Stuff of fewer pixels is not drawn.
            alpha: Opacity in [0, 1].
        """
        ids = self._check_size(panoptic_seg, "draw_panoptic_seg")
        segments = panoptic_segments(ids, segments_info, self.metadata)
        if self.instance_mode == ColorMode.IMAGE_BW:
            self.gray_outside(np.isin(ids, [s.id for s in segments]))
        texts = []
        for segment in sorted(segments, key=lambda s: (s.is_thing, -s.area)):
            left, top, crop = cropped(ids == segment.id)
            if not crop.size or (not segment.is_thing and area_threshold is not None and segment.area < area_threshold):
                continue
            group = "thing" if segment.is_thing else "stuff"
            color = self._class_color(f"{group}_colors", segment.category_id)
            color = varied(color, segment.number) if segment.is_thing else color
            self._fill_mask(left, top, crop, color, None if segment.is_thing else _OFF_WHITE, alpha)
            names, scores = self._names(f"{group}_classes"), None if segment.score is None else [segment.score]
            labels = class_labels([segment.category_id], scores, names, [segment.is_crowd]) or []
            texts += [(label, left, top, crop, color) for label in labels]
        for text in texts:
            self._place_label_in_mask(*text)
        return self.output

    draw_panoptic_seg_predictions = draw_panoptic_seg

    def draw_dataset_dict(self, dic: Mapping[str, Any]) -> VisImage:
        """Draw the annotations of one image in the standard dataset format.

        Args:
            dic: With some of `annotations`, `sem_seg` or `sem_seg_file_name`, `pan_seg` or `pan_seg_file_name`
                together with `segments_info`.
        """
        annotations = dic.get("annotations")
        if annotations:
            self._draw_annotations(annotations)
        sem_seg = dic.get("sem_seg")
        if sem_seg is None and "sem_seg_file_name" in dic:
            with Image.open(dic["sem_seg_file_name"]) as file:
                sem_seg = np.array(file)
        if sem_seg is not None:
            self.draw_sem_seg(sem_seg, area_threshold=0, alpha=0.5)
        pan_seg = dic.get("pan_seg")
        if pan_seg is None and "pan_seg_file_name" in dic:
            with Image.open(dic["pan_seg_file_name"]) as file:
                pan_seg = rgb_to_ids(np.array(file.convert("RGB")))
        if pan_seg is not None:
            self.draw_panoptic_seg(pan_seg, dic["segments_info"], area_threshold=0, alpha=0.5)
        return self.output

    def overlay_instances(
        self,
        *,
        boxes: Any = None,
        labels: Sequence[str] | None = None,
        masks: Any = None,
        keypoints: Any = None,
        assigned_colors: Sequence[Color] | None = None,
        alpha: float = 0.5,
    ) -> VisImage:
        """Draw N instances, large ones first so that small ones stay visible.

        Args:
            boxes: `Boxes`, `RotatedBoxes`, or (N, 4) x1 y1 x2 y2, or (N, 5) x y w h degrees.
            labels: N texts, placed in this order: earlier labels take precedence if room is scarce.
            masks: `PolygonMasks`, `BitMasks`, or N of: a list of polygons [x1, y1, …], an (H, W) mask, a COCO RLE.
            keypoints: `Keypoints`, or (N, K, 3) with x, y and visibility or score.
            assigned_colors: N colours; by default those of `colormap` in order.
            alpha: Opacity of masks, in [0, 1]; borders are opaque.

        Raises:
            ValueError: If the arguments differ in N.
        """
        box_array = None if boxes is None else _numbers(boxes)
        shapes = None if masks is None else self._masks(masks)
        points = None if keypoints is None else _numbers(keypoints)
        given = {
            "boxes": box_array,
            "masks": shapes,
            "keypoints": points,
            "labels": labels,
            "assigned_colors": assigned_colors,
        }
        counts = {name: len(value) for name, value in given.items() if value is not None}
        if len(set(counts.values())) > 1:
            raise ValueError(f"overlay_instances: everything must have one entry per instance, got {counts}")
        count = next(iter(counts.values()), 0)
        if count == 0:
            return self.output
        if box_array is not None and box_array.shape[1] == 5:
            return self.overlay_rotated_instances(boxes=box_array, labels=labels, assigned_colors=assigned_colors)
        colors = self._instance_colors(None, count) if assigned_colors is None else [to_rgb(c) for c in assigned_colors]
        for index in np.argsort(-_areas(box_array, shapes, count), kind="stable").tolist():
            if shapes is not None:
                self._draw_shape(shapes[index], colors[index], alpha)
            if box_array is not None:
                self.draw_box(box_array[index], alpha=1.0, edge_color=colors[index])
            if points is not None:
                self.draw_and_connect_keypoints(points[index])
        for index, text in enumerate(labels or ()):
            self._label_instance(text, index, box_array, shapes, points, colors[index])
        return self.output

    def overlay_rotated_instances(
        self,
        boxes: Any = None,
        labels: Sequence[str] | None = None,
        assigned_colors: Sequence[Color] | None = None,
    ) -> VisImage:
        """Draw N rotated boxes, large ones first.

        Args:
            boxes: `RotatedBoxes` or (N, 5) with x, y, width, height and degrees counter-clockwise.
            labels: N texts. assigned_colors: N colours, by default those of `colormap` in order.
        """
        array = np.zeros((0, 5)) if boxes is None else _numbers(boxes).reshape(-1, 5)
        colors = assigned_colors if assigned_colors is not None else self._instance_colors(None, len(array))
        for index in np.argsort(-array[:, 2] * array[:, 3], kind="stable").tolist():
            self.draw_rotated_box_with_label(array[index], alpha=0.8, edge_color=colors[index])
        for index, text in enumerate(labels or ()):
            corners = rotated_corners(array[index])
            self._place_label(text, (*corners.min(axis=0), *corners.max(axis=0)), to_rgb(colors[index]))
        return self.output

    def draw_and_connect_keypoints(self, keypoints: Any) -> VisImage:
        """Draw one instance's keypoints, and lines between them if the metadata has names and rules.

        Args:
            keypoints: (K, 3) with x, y and a score or visibility; those at or below `keypoint_threshold` are left out.
        """
        points = _numbers(keypoints)
        names = self._names("keypoint_names")
        visible = {}
        for index, (x, y, score) in enumerate(points.tolist()):
            if score > self.keypoint_threshold:
                visible[names[index] if names is not None else str(index)] = (x, y)
        for start, end, color in connected_pairs(visible, getattr(self.metadata, "keypoint_connection_rules", None)):
            self.draw_line([start[0], end[0]], [start[1], end[1]], color=color)
        for start, end in body_midlines(visible):
            self.draw_line([start[0], end[0]], [start[1], end[1]], color=_KEYPOINT_RED)
        for x, y in visible.values():
            self.draw_circle((x, y), color=_KEYPOINT_RED, radius=max(self.line_width, 2))
        return self.output

    def _draw_annotations(self, annotations: Sequence[Annotation]) -> None:
        whole = {key: all(key in a for a in annotations) for key in ("segmentation", "keypoints", "bbox")}
        boxes = None
        if whole["bbox"]:
            same = BoxMode.XYWHA_ABS if len(annotations[0]["bbox"]) == 5 else BoxMode.XYXY_ABS
            boxes = np.array([BoxMode.convert(list(a["bbox"]), BoxMode(a["bbox_mode"]), same) for a in annotations])
        classes = [a["category_id"] for a in annotations] if all("category_id" in a for a in annotations) else None
        keypoints = [
            np.asarray(a["keypoints"], dtype=np.float64).reshape(-1, 3) for a in annotations if "keypoints" in a
        ]
        self.overlay_instances(
            boxes=boxes,
            labels=class_labels(
                classes, None, self._names("thing_classes"), [bool(a.get("iscrowd")) for a in annotations]
            ),
            masks=[a["segmentation"] for a in annotations] if whole["segmentation"] else None,
            keypoints=np.stack(keypoints) if whole["keypoints"] else None,
            assigned_colors=self._instance_colors(classes, len(annotations)),
            alpha=_ALPHA[self.instance_mode],
        )

    def _draw_shape(self, mask: GenericMask, color: Rgb, alpha: float) -> None:
        if mask.is_polygonal:
            polygons = [p.reshape(-1, 2) * self.output.scale for p in mask.polygons]
            self.output.canvas.fill_polygons(polygons, color, alpha, self._border_width())
        else:
            self._fill_mask(*cropped(mask.mask), color, color, alpha)

    def _label_instance(
        self,
        text: str,
        index: int,
        boxes: np.ndarray | None,
        masks: Sequence[GenericMask] | None,
        keypoints: np.ndarray | None,
        color: Rgb,
    ) -> None:
        if not text:
            return
        if boxes is not None:
            if np.isfinite(boxes[index]).all():
                self._place_label(text, boxes[index], color)
        elif masks is not None:
            left, top, crop = cropped(masks[index].mask)
            if crop.size:
                self._place_label_in_mask(text, left, top, crop, color)
        elif keypoints is not None:
            seen = keypoints[index][keypoints[index][:, 2] > self.keypoint_threshold, :2]
            if len(seen):
                self._place_label(text, (*seen.min(axis=0), *seen.max(axis=0)), color)

    def _masks(self, masks: Any) -> list[GenericMask]:
        return generic_masks(masks, self.output.height, self.output.width)

    def _names(self, attribute: str) -> Sequence[str] | None:
        return getattr(self.metadata, attribute, None)

    def _class_color(self, attribute: str, index: int) -> Rgb:
        """The metadata's colour of a class, else the palette's."""
        known = getattr(self.metadata, attribute, None)
        if known is not None and index < len(known):
            red, green, blue = (float(v) / 255 for v in known[index])
            return red, green, blue
        colors = colormap(rgb=True, maximum=1)
        return to_rgb(colors[index % len(colors)])

    def _instance_colors(self, classes: Sequence[int] | None, count: int, jittering: bool = True) -> list[Rgb]:
        if self.instance_mode == ColorMode.SEGMENTATION and classes is not None:
            seen: dict[int, int] = {}
            colors = []
            for category in classes:
                seen[category] = seen.get(category, -1) + 1
                colors.append(varied(self._class_color("thing_colors", category), seen[category] if jittering else 0))
            return colors
        palette = colormap(rgb=True, maximum=1)
        return [to_rgb(palette[index % len(palette)]) for index in range(count)]

    def gray_outside(self, covered: np.ndarray) -> None:
        """Discard all drawings and make the image gray outside `covered` (H, W)."""
        gray = np.array(Image.fromarray(self.img).convert("L"))[:, :, None]
        self.output.reset_image(np.where(covered[:, :, None], self.img, gray))


def instance_arrays(predictions: Instances) -> tuple[np.ndarray, list[int]]:
    """Upright boxes (N, 4) around predictions, from their boxes or masks, and their classes (0 if unknown)."""
    count = _count(predictions)
    if not count:
        return np.zeros((0, 4)), []
    labels = predictions.pred_classes.tolist() if predictions.has("pred_classes") else [0] * count
    if predictions.has("pred_boxes"):
        boxes = _numbers(predictions.pred_boxes)
        if boxes.shape[1] == 5:
            corners = [rotated_corners(box) for box in boxes]
            return np.array([[*c.min(axis=0), *c.max(axis=0)] for c in corners]).reshape(-1, 4), labels
        return boxes, labels
    masks = predictions.pred_masks if predictions.has("pred_masks") else predictions.pred_masks_rle
    height, width = predictions.image_size
    return np.array([mask.bbox() for mask in generic_masks(masks, height, width)]).reshape(-1, 4), labels


def _count(predictions: Instances) -> int:
    """Number of objects, 0 without any field."""
    return len(predictions) if predictions.get_fields() else 0


def _numbers(values: Any) -> np.ndarray:
    """Boxes, keypoints, tensors and lists as a float64 array."""
    if isinstance(values, (Boxes, RotatedBoxes, Keypoints)):
        values = values.tensor
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().numpy()
    return np.asarray(values, dtype=np.float64)


def _areas(boxes: np.ndarray | None, masks: Sequence[GenericMask] | None, count: int) -> np.ndarray:
    if boxes is not None:
        with np.errstate(invalid="ignore"):  # boxes that are not finite are not drawn
            return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    if masks is not None:
        return np.array([mask.area() for mask in masks])
    return np.zeros(count)
