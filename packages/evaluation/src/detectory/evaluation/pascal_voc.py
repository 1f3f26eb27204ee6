"""Pascal VOC evaluation of boxes, by the metric of 2007 or of 2010 to 2012.

Source: Everingham et al., "The Pascal Visual Object Classes (VOC) Challenge", IJCV 2010, and "… Challenge: A
Retrospective", IJCV 2015.
"""

import logging
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detectory.core.distributed import gather, is_main_process
from detectory.data import MetadataCatalog

from .evaluator import DatasetEvaluator, ModelOutputs
from .results_table import format_categories, format_metrics

_logger = logging.getLogger(__name__)

_THRESHOLDS = tuple(range(50, 100, 5))
"""IoU thresholds in percent; the first is 50 and the sixth 75."""


@dataclass(frozen=True)
class VocObjects:
    """The M objects of one class in one image.

    Args:
        boxes: (M, 4) float64 as (xmin, ymin, xmax, ymax), one-based and inclusive as in VOC's files.
        difficult: (M,) bool. Detections of difficult objects and difficult objects that are missed do not count.
    """

    boxes: np.ndarray
    difficult: np.ndarray


class PascalVOCDetectionEvaluator(DatasetEvaluator):
    """Average precision of boxes on a dataset in VOC's folder layout.

    Args:
        dataset_name: A registered dataset whose metadata has `dirname` (the folder of `Annotations` and `ImageSets`),
            `split`, `thing_classes` and `year` (2007 or 2012, which selects the metric).

    Raises:
        ValueError: If the year is neither 2007 nor 2012.
    """

    def __init__(self, dataset_name: str) -> None:
        self._metadata = MetadataCatalog.get(dataset_name)
        year = int(self._metadata.year)
        if year not in (2007, 2012):
            raise ValueError(f"PascalVOCDetectionEvaluator: year must be 2007 or 2012, got {year}")
        self._is_2007 = year == 2007
        self._class_names = list(self._metadata.thing_classes)
        self._predictions: dict[str, np.ndarray] = {}

    def check(self, outputs: ModelOutputs | None = None) -> None:
        """Read the ground truth of the split.

        Raises:
            OSError: If the list of the split or an annotation file does not exist.
            ValueError: If an annotation file is invalid.
        """
        read_voc_ground_truth(Path(self._metadata.dirname), self._metadata.split, self._class_names)

    def reset(self) -> None:
        """Discard all predictions."""
        self._predictions = {}

    def process(self, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> None:
        """Store the predictions for a batch of images.

        Args:
            inputs: Dicts with `image_id`, the stem of the annotation file.
            outputs: Dicts with `instances`.
        """
        for record, output in zip(inputs, outputs, strict=True):
            instances = output["instances"].to("cpu")
            # From corners of continuous coordinates to inclusive pixels that start at 1: xmin and ymin grow by 1, and
            # xmax and ymax stay.
            boxes = instances.pred_boxes.tensor.double().numpy() + np.array([1, 1, 0, 0])
            classes, scores = instances.pred_classes.double().numpy(), instances.scores.double().numpy()
            self._predictions[str(record["image_id"])] = np.column_stack([classes, scores, boxes])

    def evaluate(self) -> dict[str, dict[str, float]]:
        """Compute the metrics.

        Returns:
            `{"bbox": {"AP", "AP50", "AP75", "AP50-<class>"}}` in percent, with AP averaged over IoU 0.5 to 0.95. Empty
            in all processes but the main one.

        Raises:
            ValueError: If there are predictions for an image that is not in the split, or an annotation file is
                invalid.
        """
        parts = gather(self._predictions, dst=0)
        if not is_main_process():
            return {}
        predictions = {image: rows for part in reversed(parts) for image, rows in part.items()}
        split = self._metadata.split
        ground_truth = read_voc_ground_truth(Path(self._metadata.dirname), split, self._class_names)
        images = ground_truth[self._class_names[0]]
        unknown = [image for image, rows in predictions.items() if len(rows) and image not in images]
        if unknown:
            raise ValueError(
                f"PascalVOCDetectionEvaluator: image {unknown[0]!r} is not one of the {len(images)} images of {split}"
            )
        table = np.zeros((len(self._class_names), len(_THRESHOLDS)))
        for label, name in enumerate(self._class_names):
            rows = {image: all_rows[all_rows[:, 0] == label] for image, all_rows in predictions.items()}
            for column, threshold in enumerate(_THRESHOLDS):
                recall, precision = voc_precision_recall(ground_truth[name], rows, threshold / 100)
                table[label, column] = 100 * voc_average_precision(recall, precision, self._is_2007)
        metrics = {
            "AP": float(np.nanmean(table)),
            "AP50": float(np.nanmean(table[:, 0])),
            "AP75": float(np.nanmean(table[:, 5])),
        }
        per_class = dict(zip(self._class_names, table[:, 0].tolist(), strict=True))
        _logger.info("Evaluation results for bbox:\n%s", format_metrics(metrics))
        _logger.info("Per-category AP50:\n%s", format_categories(per_class, heading="AP50"))
        return {"bbox": metrics | {f"AP50-{name}": value for name, value in per_class.items()}}


def read_voc_ground_truth(folder: Path, split: str, names: Sequence[str]) -> dict[str, dict[str, VocObjects]]:
    """Read VOC's XML files.

    Args:
        folder: Folder of `Annotations` and `ImageSets`.
        split: Name of the split.
        names: Class names; objects of other classes are ignored.

    Returns:
        Class name to {image name: objects of the class}.

    Raises:
        ValueError: If a file is not valid XML or an object lacks a field. The message names the file and the object.
    """
    ground_truth: dict[str, dict[str, VocObjects]] = {name: {} for name in names}
    for image in (folder / "ImageSets" / "Main" / f"{split}.txt").read_text(encoding="utf-8").split():
        path = folder / "Annotations" / f"{image}.xml"
        try:
            root = ElementTree.parse(path).getroot()
        except ElementTree.ParseError as error:
            raise ValueError(f"read_voc_ground_truth: {path} is not valid XML: {error}") from error
        objects: dict[str, list[tuple[list[float], bool]]] = {name: [] for name in names}
        for index, element in enumerate(root.iter("object")):
            name = element.findtext("name") or ""
            corners = [element.findtext(f"bndbox/{key}") for key in ("xmin", "ymin", "xmax", "ymax")]
            if not name or None in corners:
                raise ValueError(
                    f"read_voc_ground_truth: {path}: object {index} lacks its name or a corner of its bndbox"
                )
            if name in objects:
                is_difficult = (element.findtext("difficult") or "0").strip() == "1"
                objects[name].append(([float(corner or 0) for corner in corners], is_difficult))
        for name, entries in objects.items():
            boxes = np.array([box for box, _ in entries]).reshape(-1, 4)
            difficult = np.array([is_difficult for _, is_difficult in entries], dtype=bool)
            ground_truth[name][image] = VocObjects(boxes, difficult)
    return ground_truth


def voc_precision_recall(
    ground_truth: Mapping[str, VocObjects], detections: Mapping[str, np.ndarray], threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Match the detections of one class in order of falling score.

    Unlike in COCO, a detection is compared only with the object of the highest IoU: it is a false positive if a better
    detection matched this object, even if another object is close enough.

    Args:
        ground_truth: Image name to the objects of the class.
        detections: Image name to (N, 6) rows of (class, score, xmin, ymin, xmax, ymax).
        threshold: A match needs an IoU above this value.

    Returns:
        Recall and precision after each detection; recall is one NaN if the class has no objects.
    """
    num_objects = sum(int((~objects.difficult).sum()) for objects in ground_truth.values())
    if not num_objects:
        return np.full(1, np.nan), np.zeros(1)
    images = [image for image, rows in detections.items() for _ in range(len(rows))]
    rows = np.concatenate([np.zeros((0, 6)), *detections.values()])
    is_taken = {image: np.zeros(len(objects.boxes), dtype=bool) for image, objects in ground_truth.items()}
    true_positive, false_positive = np.zeros(len(rows)), np.zeros(len(rows))
    for position, index in enumerate(np.argsort(-rows[:, 1], kind="stable").tolist()):
        image = images[index]
        objects = ground_truth.get(image)
        ious = _pixel_iou(rows[index, 2:], objects.boxes) if objects is not None else np.zeros(0)
        best = int(ious.argmax()) if len(ious) else -1
        if objects is None or best < 0 or not ious[best] > threshold:
            false_positive[position] = 1
        elif not objects.difficult[best]:
            true_positive[position] = not is_taken[image][best]
            false_positive[position] = is_taken[image][best]
            is_taken[image][best] = True
    tp, fp = np.cumsum(true_positive), np.cumsum(false_positive)
    return tp / num_objects, tp / np.maximum(tp + fp, np.finfo(np.float64).eps)


def voc_average_precision(recall: np.ndarray, precision: np.ndarray, is_2007: bool = False) -> float:
    """Return the area under the interpolated precision-recall curve.

    Args:
        recall: Recall after each detection.
        precision: Precision after each detection.
        is_2007: Whether to use the metric of 2007: the mean precision at 11 recall levels.

    Returns:
        Average precision in [0, 1]; NaN for a class without objects, 0 for a class without detections.
    """
    if np.isnan(recall).any():
        return float("nan")
    if is_2007:
        return sum(float(precision[recall >= level].max(initial=0.0)) for level in np.arange(0, 1.1, 0.1)) / 11
    recall = np.concatenate([[0.0], recall, [1.0]])
    # The interpolated precision at a recall is the highest precision at this or any higher recall.
    envelope = np.maximum.accumulate(np.concatenate([[0.0], precision, [0.0]])[::-1])[::-1]
    steps = np.flatnonzero(recall[1:] != recall[:-1])
    return float(((recall[steps + 1] - recall[steps]) * envelope[steps + 1]).sum())


def _pixel_iou(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """IoU (M,) of a box (4,) with boxes (M, 4) with inclusive corners: the width is xmax - xmin + 1."""
    low = np.maximum(boxes[:, :2], box[:2])
    high = np.minimum(boxes[:, 2:], box[2:])
    intersection = (high - low + 1).clip(min=0).prod(axis=1)
    area, areas = (box[2:] - box[:2] + 1).prod(), (boxes[:, 2:] - boxes[:, :2] + 1).prod(axis=1)
    return intersection / (area + areas - intersection)
