"""Visualizer for predictions and dataset annotations: instances, keypoints, semantic and panoptic segmentations."""

from collections.abc import Mapping, Sequence
from enum import Enum, unique
from typing import Any

import numpy as np
from PIL import Image

from detectory.structures import Annotation, BoxMode, DatasetRecord, Instances, SegmentInfo, rgb_to_ids

from .drawing.colors import OFF_WHITE, Color, Rgb, to_rgb, varied
from .drawing.palette import colormap
from .drawing.primitives import Drawing, rotated_corners
from .drawing.vis_image import VisImage
from .instance_arrays import drawing_areas, float_array, instance_count
from .keypoint_lines import body_midlines, connected_pairs
from .label_texts import class_labels
from .masks.generic_mask import GenericMask, cropped, generic_masks
from .panoptic_segments import panoptic_segments

_KEYPOINT_RED: Rgb = (1.0, 0.15, 0.15)


@unique
class ColorMode(Enum):
    """How the colours of instances are chosen."""

    IMAGE = 0
    """Each instance has a different colour; segmentations are overlaid with low opacity."""
    SEGMENTATION = 1
    """Instances of a class have similar colours (`metadata.thing_colors`), overlaid with high opacity."""
    IMAGE_BW = 2
    """Like IMAGE, but pixels outside the masks are gray; for instance and panoptic predictions."""


_ALPHA = {ColorMode.IMAGE: 0.5, ColorMode.SEGMENTATION: 0.8, ColorMode.IMAGE_BW: 0.3}


class Visualizer(Drawing):
    """Visualizer for detections, segmentations and dataset records of one image.

    Colours are deterministic: instance `i` has colour `i` of `colormap`, and a class that is not in
    `metadata.thing_colors` or `metadata.stuff_colors` has the colour of its class id. Labels are placed next to their
    object and inside the image. A label that would cover others is written smaller or omitted.

    Args:
        img_rgb: (H, W, 3) RGB in [0, 255]; grayscale and RGBA are accepted too.
        metadata: None, or any object that has some of the attributes `thing_classes`, `thing_colors`, `stuff_classes`,
            `stuff_colors` (colours in [0, 255]), `keypoint_names`, `keypoint_connection_rules`, `label_divisor`,
            `stuff_dataset_id_to_contiguous_id`, `thing_dataset_id_to_contiguous_id`.
        scale: Scale factor of the output, relative to the image.
        instance_mode: How the colours of instances are chosen.
        font_size_scale: Scale factor of the default font size.

    Attributes:
        keypoint_threshold: Keypoints with a score at or below this threshold are not drawn.
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
            predictions: Instances with some of the fields `pred_boxes`, `scores`, `pred_classes`, `pred_keypoints`
                and `pred_masks` ((N, H, W), `BitMasks` or `PolygonMasks`) or `pred_masks_rle` (COCO RLEs).
            jittering: Whether objects of the same class have slightly different colours in `ColorMode.SEGMENTATION`.
            assigned_colors: N colours; by default they are chosen by `instance_mode`.
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
            assigned_colors=assigned_colors or self._instance_colors(classes, instance_count(predictions), jittering),
            alpha=_ALPHA[self.instance_mode],
        )

    def draw_sem_seg(self, sem_seg: Any, area_threshold: float | None = None, alpha: float = 0.8) -> VisImage:
        """Draw a semantic segmentation.

        Args:
            sem_seg: (H, W) class ids; negative ids and ids that are not in `metadata.stuff_classes` are not drawn.
            area_threshold: Classes with fewer pixels are drawn without a label; None labels all classes.
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
            self._fill_mask(left, top, crop, color, OFF_WHITE, alpha)
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
            panoptic_seg: (H, W) segment ids; pixels with an id that is not in `segments_info` are void.
            segments_info: One dictionary per segment with `id`, `category_id`, `isthing` and, if known, `score` and
                `iscrowd`. If None, the class of a pixel is `id // metadata.label_divisor`, and -1 is void.
            area_threshold: Stuff segments with fewer pixels are not drawn; None draws all.
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
            color = varied(color, segment.index_in_class) if segment.is_thing else color
            self._fill_mask(left, top, crop, color, None if segment.is_thing else OFF_WHITE, alpha)
            names, scores = self._names(f"{group}_classes"), None if segment.score is None else [segment.score]
            labels = class_labels([segment.category_id], scores, names, [segment.is_crowd]) or []
            texts += [(label, left, top, crop, color) for label in labels]
        for text in texts:
            self._place_label_in_mask(*text)
        return self.output

    draw_panoptic_seg_predictions = draw_panoptic_seg

    def draw_dataset_dict(self, dic: DatasetRecord | Mapping[str, Any]) -> VisImage:
        """Draw the annotations of one image in the standard dataset format.

        Args:
            dic: A record with some of `annotations`, `sem_seg_file_name` and `pan_seg_file_name`; instead of the file
                names it may contain the arrays `sem_seg` and `pan_seg`. Panoptic annotations require `segments_info`.
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
        """Draw N instances in order of decreasing area, so that small instances stay visible.

        Args:
            boxes: `Boxes`, `RotatedBoxes`, (N, 4) as (x1, y1, x2, y2), or (N, 5) as (x_center, y_center, width,
                height, angle in degrees counter-clockwise).
            labels: N texts; earlier labels take precedence if there is not enough space for all.
            masks: `PolygonMasks`, `BitMasks`, or a sequence of N masks: lists of polygons [x1, y1, …], (H, W) bitmaps
                or COCO RLEs.
            keypoints: `Keypoints`, or (N, K, 3) as (x, y, visibility or score).
            assigned_colors: N colours; by default the first N of `colormap`.
            alpha: Opacity of masks, in [0, 1]; borders are opaque.

        Raises:
            ValueError: If the arguments differ in N.
        """
        box_array = None if boxes is None else float_array(boxes)
        shapes = None if masks is None else self._masks(masks)
        points = None if keypoints is None else float_array(keypoints)
        arguments = {
            "boxes": box_array,
            "masks": shapes,
            "keypoints": points,
            "labels": labels,
            "assigned_colors": assigned_colors,
        }
        counts = {name: len(value) for name, value in arguments.items() if value is not None}
        if len(set(counts.values())) > 1:
            raise ValueError(f"overlay_instances: all arguments must have one entry per instance, got {counts}")
        count = next(iter(counts.values()), 0)
        if count == 0:
            return self.output
        if box_array is not None and box_array.shape[1] == 5:
            return self.overlay_rotated_instances(boxes=box_array, labels=labels, assigned_colors=assigned_colors)
        colors = self._instance_colors(None, count) if assigned_colors is None else [to_rgb(c) for c in assigned_colors]
        for index in np.argsort(-drawing_areas(box_array, shapes, count), kind="stable").tolist():
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
        """Draw N rotated boxes in order of decreasing area.

        Args:
            boxes: `RotatedBoxes` or (N, 5) as (x_center, y_center, width, height, angle in degrees counter-clockwise).
            labels: N texts.
            assigned_colors: N colours; by default the first N of `colormap`.
        """
        array = np.zeros((0, 5)) if boxes is None else float_array(boxes).reshape(-1, 5)
        colors = assigned_colors if assigned_colors is not None else self._instance_colors(None, len(array))
        for index in np.argsort(-array[:, 2] * array[:, 3], kind="stable").tolist():
            self.draw_rotated_box_with_label(array[index], alpha=0.8, edge_color=colors[index])
        for index, text in enumerate(labels or ()):
            corners = rotated_corners(array[index])
            self._place_label(text, (*corners.min(axis=0), *corners.max(axis=0)), to_rgb(colors[index]))
        return self.output

    def draw_and_connect_keypoints(self, keypoints: Any) -> VisImage:
        """Draw the keypoints of one instance, and lines between them if the metadata has keypoint names and rules.

        Args:
            keypoints: (K, 3) as (x, y, score or visibility); keypoints with a score at or below `keypoint_threshold`
                are not drawn.
        """
        points = float_array(keypoints)
        names = self._names("keypoint_names")
        visible: dict[str, tuple[float, float]] = {}
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
        complete = {key: all(key in a for a in annotations) for key in ("segmentation", "keypoints", "bbox")}
        boxes = None
        if complete["bbox"]:
            is_rotated = any(a["bbox_mode"] == BoxMode.XYWHA_ABS for a in annotations)
            boxes = np.array([_box_to_draw(a, is_rotated) for a in annotations])
        classes = [a["category_id"] for a in annotations] if all("category_id" in a for a in annotations) else None
        keypoints = [
            np.asarray(a["keypoints"], dtype=np.float64).reshape(-1, 3) for a in annotations if "keypoints" in a
        ]
        self.overlay_instances(
            boxes=boxes,
            labels=class_labels(
                classes, None, self._names("thing_classes"), [bool(a.get("iscrowd")) for a in annotations]
            ),
            masks=[a["segmentation"] for a in annotations] if complete["segmentation"] else None,
            keypoints=np.stack(keypoints) if complete["keypoints"] else None,
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
            visible = keypoints[index][keypoints[index][:, 2] > self.keypoint_threshold, :2]
            if len(visible):
                self._place_label(text, (*visible.min(axis=0), *visible.max(axis=0)), color)

    def _masks(self, masks: Any) -> list[GenericMask]:
        return generic_masks(masks, self.output.height, self.output.width)

    def _names(self, attribute: str) -> Sequence[str] | None:
        return getattr(self.metadata, attribute, None)

    def _class_color(self, attribute: str, index: int) -> Rgb:
        """Return the colour of a class from the metadata, or from the palette if the metadata does not define it."""
        class_colors = getattr(self.metadata, attribute, None)
        if class_colors is not None and index < len(class_colors):
            red, green, blue = (float(v) / 255 for v in class_colors[index])
            return red, green, blue
        colors = colormap(rgb=True, maximum=1)
        return to_rgb(colors[index % len(colors)])

    def _instance_colors(self, classes: Sequence[int] | None, count: int, jittering: bool = True) -> list[Rgb]:
        if self.instance_mode == ColorMode.SEGMENTATION and classes is not None:
            index_in_class: dict[int, int] = {}
            colors = []
            for category in classes:
                index = index_in_class[category] = index_in_class.get(category, -1) + 1
                colors.append(varied(self._class_color("thing_colors", category), index if jittering else 0))
            return colors
        palette = colormap(rgb=True, maximum=1)
        return [to_rgb(palette[index % len(palette)]) for index in range(count)]

    def gray_outside(self, covered: np.ndarray) -> None:
        """Discard all drawings and convert the pixels outside `covered` (H, W) bool to gray."""
        gray = np.array(Image.fromarray(self.img).convert("L"))[:, :, None]
        self.output.reset_image(np.where(covered[:, :, None], self.img, gray))


def _box_to_draw(annotation: Annotation, is_rotated: bool) -> list[float]:
    """Return `[x1, y1, x2, y2]`, or `[cx, cy, width, height, angle]` if some boxes of the image are rotated."""
    box, mode = [float(value) for value in annotation["bbox"]], BoxMode(annotation["bbox_mode"])
    if mode == BoxMode.XYWHA_ABS:
        return box
    x1, y1, x2, y2 = BoxMode.convert(box, mode, BoxMode.XYXY_ABS)
    return [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, 0.0] if is_rotated else [x1, y1, x2, y2]
