"""Error examples: crops around single errors, and whole images with many errors."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from detectory import ops
from detectory.data.images import read_image
from detectory.evaluation.coco.ground_truth import CocoGroundTruth
from detectory.evaluation.detections import Detections
from detectory.visualization import Visualizer
from detectory.visualization.html import GalleryItem

from .error_analysis import CORRECT, IGNORED, OUTCOMES, ErrorAnalysis
from .image_files import ImageFiles
from .shapes import Shapes

GREEN, RED, AMBER = (0.09, 0.65, 0.45), (0.89, 0.34, 0.18), (0.95, 0.66, 0.0)
_CROP_SIDE = 420
_IMAGE_SIDE = 720
_MAX_PER_IMAGE = 2
_MIN_CROP = 96


class ErrorExample(NamedTuple):
    """One error: a detection, or a missed object.

    Args:
        type: Outcome of the detection, or "missed".
        detection: Index of the detection, None for a missed object.
        object: Index of the object that the error concerns, None for a detection on background.
    """

    type: str
    detection: int | None
    object: int | None


class ImageErrors(NamedTuple):
    """Numbers of objects, correct detections, false detections and missed objects of one image."""

    image_id: Any
    objects: int
    correct: int
    false: int
    missed: int


class ErrorGallery:
    """Selects and draws errors.

    Args:
        ground_truth: The ground truth.
        detections: The detections.
        errors: The outcomes of the detections.
        boxes: (N, 4) boxes of the detections as (x, y, width, height).
        masks: Masks of the detections and the objects, or None.
        files: Paths of the images.
        score_threshold: Detections with lower scores do not count.
    """

    def __init__(
        self,
        ground_truth: CocoGroundTruth,
        detections: Detections,
        errors: ErrorAnalysis,
        boxes: np.ndarray,
        masks: Shapes | None,
        files: ImageFiles,
        score_threshold: float,
    ) -> None:
        self._names = ground_truth.category_names
        self._detections = detections
        self._errors = errors
        self._boxes = boxes
        self._masks = masks
        self._files = files
        self._is_counted = detections.scores >= score_threshold
        self._is_missed = errors.is_missed(detections.scores, score_threshold)

    def examples(self, per_type: int) -> Iterator[ErrorExample]:
        """Yield the errors to show: of each type those with the highest scores, and the largest missed objects."""
        detections, errors = self._detections, self._errors
        for outcome, name in enumerate(OUTCOMES):
            if outcome in (CORRECT, IGNORED):
                continue
            indices = np.flatnonzero((errors.outcomes == outcome) & self._is_counted)
            indices = indices[np.argsort(-detections.scores[indices], kind="stable")]
            for index in _first_of_each_image(indices, detections.image_ids, per_type):
                matched = int(errors.matched_objects[index])
                yield ErrorExample(name, index, matched if matched >= 0 else None)
        missed = np.flatnonzero(self._is_missed)
        missed = missed[np.argsort(-errors.objects.areas[missed], kind="stable")]
        for index in _first_of_each_image(missed, errors.objects.image_ids, per_type):
            yield ErrorExample("missed", None, index)

    def crops(self, per_type: int = 16) -> Iterator[GalleryItem]:
        """Yield a crop around each error to show; errors without an image file are left out."""
        for example in self.examples(per_type):
            path = self._files.find(self._image_id(example))
            if path is not None:
                yield GalleryItem(self._draw_crop(path, example), *self.describe(example))

    def describe(self, example: ErrorExample) -> tuple[str, dict[str, str | float]]:
        """Return the caption of an error and its "type", "class", "score" and "size"."""
        image = self._files.name(self._image_id(example))
        true_class = self._object_class(example.object)
        if example.detection is None:
            size = round(float(self._errors.objects.areas[example.object]) ** 0.5)
            caption = f"missed {true_class}, {size} px · {image}"
            return caption, {"type": example.type, "class": true_class, "score": 0.0, "size": size}
        index = example.detection
        predicted = self._names[int(self._detections.categories[index])]
        score = float(self._detections.scores[index])
        size = round(float(np.prod(self._boxes[index, 2:])) ** 0.5)
        details = {
            "confusion": f"on {true_class}",
            "duplicate": f"duplicate on {true_class}",
            "localisation": f"poorly localised on {true_class}",
        }
        iou = f", IoU {self._errors.ious[index]:.2f}" if example.type in details else ""
        caption = f"{predicted} {score:.2f} {details.get(example.type, 'on background')}{iou} · {image}"
        return caption, {"type": example.type, "class": predicted, "score": round(score, 3), "size": size}

    def worst_images(self, count: int = 12) -> list[ImageErrors]:
        """Return the images with the most errors, in falling order."""
        errors = self._errors
        all_ids = np.concatenate([self._detections.image_ids.astype(object), errors.objects.image_ids])
        ids, indices = np.unique(all_ids, return_inverse=True)
        image_of_detection, image_of_object = np.split(indices, [len(self._detections)])

        def per_image(images: np.ndarray) -> np.ndarray:
            return np.bincount(images, minlength=len(ids))

        objects = per_image(image_of_object[~errors.crowd])
        correct = per_image(image_of_detection[self._is_counted & (errors.outcomes == CORRECT)])
        false = per_image(image_of_detection[self._is_counted & errors.is_error()])
        missed = per_image(image_of_object[self._is_missed])
        order = np.argsort(-(false + missed), kind="stable")[:count]
        columns = (ids, objects, correct, false, missed)
        images = [ImageErrors(*row) for row in zip(*(column[order].tolist() for column in columns), strict=True)]
        return [image for image in images if image.false + image.missed]

    def draw_image(self, image_id: Any) -> np.ndarray | None:
        """Draw correct detections green, false ones red and missed objects amber; None without an image file."""
        path = self._files.find(image_id)
        if path is None:
            return None
        image = read_image(str(path), format="RGB")
        detections, errors = self._detections, self._errors
        is_shown = (detections.image_ids == image_id) & self._is_counted & (errors.outcomes != IGNORED)
        rows = np.flatnonzero(is_shown).tolist()
        missed = np.flatnonzero((errors.objects.image_ids == image_id) & self._is_missed).tolist()
        boxes = [_corners(box) for box in (*self._boxes[rows], *errors.objects.boxes[missed])]
        labels = [self._detection_label(row) for row in rows]
        labels += [f"missed {self._object_class(index)}" for index in missed]
        colors = [GREEN if errors.outcomes[row] == CORRECT else RED for row in rows] + [AMBER] * len(missed)
        return _draw(image, _IMAGE_SIDE, boxes, labels, colors, font_size_scale=1.0)

    def _draw_crop(self, path: Path, example: ErrorExample) -> np.ndarray:
        image = read_image(str(path), format="RGB")
        boxes, labels, colors, masks = [], [], [], []
        if example.object is not None:
            boxes.append(_corners(self._errors.objects.boxes[example.object]))
            labels.append(self._object_class(example.object))
            colors.append(AMBER if example.detection is None else GREEN)
            masks += [self._masks.objects[example.object]] if self._masks else []
        if example.detection is not None:
            boxes.append(_corners(self._boxes[example.detection]))
            labels.append(self._detection_label(example.detection))
            colors.append(RED)
            masks += [self._masks.detections[example.detection]] if self._masks else []
        x0, y0, x1, y1 = _crop_window(np.array(boxes), image.shape[:2])
        cropped_boxes = [box - np.array([x0, y0, x0, y0]) for box in boxes]
        cropped_masks = [ops.rle_decode(mask).numpy()[y0:y1, x0:x1] for mask in masks]
        crop = image[y0:y1, x0:x1]
        return _draw(crop, _CROP_SIDE, cropped_boxes, labels, colors, cropped_masks or None, font_size_scale=1.4)

    def _image_id(self, example: ErrorExample) -> Any:
        if example.detection is None:
            return self._errors.objects.image_ids[example.object]
        return self._detections.image_ids[example.detection]

    def _object_class(self, index: int | None) -> str:
        return "" if index is None else self._names[int(self._errors.objects.categories[index])]

    def _detection_label(self, index: int) -> str:
        return f"{self._names[int(self._detections.categories[index])]} {self._detections.scores[index]:.2f}"


def _first_of_each_image(order: np.ndarray, image_ids: np.ndarray, count: int) -> list[int]:
    """The first `count` indices of an order, with at most two per image so that the examples are varied."""
    counts: dict[Any, int] = {}
    kept: list[int] = []
    for index in order.tolist():
        if len(kept) == count:
            break
        image_id = image_ids[index]
        counts[image_id] = counts.get(image_id, 0) + 1
        if counts[image_id] <= _MAX_PER_IMAGE:
            kept.append(index)
    return kept


def _corners(box: np.ndarray) -> np.ndarray:
    x, y, width, height = box
    return np.array([x, y, x + width, y + height])


def _crop_window(boxes: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A window around boxes and their surroundings, at least 96 pixels wide and not too narrow, inside the image."""
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    centre = (low + high) / 2
    extent = np.maximum((high - low) * 1.6, _MIN_CROP)
    extent = np.maximum(extent, extent.max() / 1.34)
    first = np.clip(np.floor(centre - extent / 2), 0, np.array(size[::-1]) - 1).astype(int)
    last = np.clip(np.ceil(centre + extent / 2), first + 1, np.array(size[::-1])).astype(int)
    return int(first[0]), int(first[1]), int(last[0]), int(last[1])


def _draw(
    image: np.ndarray,
    side: int,
    boxes: Sequence[np.ndarray],
    labels: Sequence[str],
    colors: Sequence[Any],
    masks: Any = None,
    *,
    font_size_scale: float,
) -> np.ndarray:
    """Draw on an image scaled to this longer side."""
    scale = side / max(image.shape[:2])
    visualizer = Visualizer(image, SimpleNamespace(), scale=scale, font_size_scale=font_size_scale)
    return visualizer.overlay_instances(
        boxes=np.array(boxes).reshape(-1, 4), labels=labels, masks=masks, assigned_colors=colors, alpha=0.35
    ).get_image()
