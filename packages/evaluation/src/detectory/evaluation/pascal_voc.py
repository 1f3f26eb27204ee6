"""Evaluates boxes by Pascal VOC's average precision, of 2007 and of 2010 to 2012.

Source: Everingham et al., "The Pascal Visual Object Classes Challenge", IJCV 2010 and 2015.
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

from .evaluator import DatasetEvaluator
from .results_table import format_categories, format_metrics

_THRESHOLDS = tuple(range(50, 100, 5))


@dataclass(frozen=True)
class VocObjects:
    """The objects of one class in one image.

    Args:
        boxes: (M, 4) float64, (xmin, ymin, xmax, ymax), one-based and inclusive as in VOC's files.
        difficult: (M,) bool; neither finding nor missing such an object counts.
    """

    boxes: np.ndarray
    difficult: np.ndarray


class PascalVOCDetectionEvaluator(DatasetEvaluator):
    """Average precision of boxes on a dataset in VOC's layout.

    Args:
        dataset_name: A registered dataset with `dirname` (the folder that holds `Annotations` and `ImageSets`),
            `split`, `thing_classes` and `year` (2007 or 2012, which decides the metric) in its metadata.

    Raises:
        ValueError: where the year is neither.
    """

    def __init__(self, dataset_name: str) -> None:
        self._metadata = MetadataCatalog.get(dataset_name)
        if int(self._metadata.year) not in (2007, 2012):
            raise ValueError(f"PascalVOCDetectionEvaluator: year must be 2007 or 2012, got {self._metadata.year}")
        self._is_2007 = int(self._metadata.year) == 2007
        self._class_names = list(self._metadata.thing_classes)
        self._predictions: dict[str, np.ndarray] = {}

    def reset(self) -> None:
        """Forget the predictions."""
        self._predictions = {}

    def process(self, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> None:
        """Take predictions: inputs with `image_id` (the file's stem), outputs with `instances`."""
        for record, output in zip(inputs, outputs, strict=True):
            found = output["instances"].to("cpu")
            boxes = found.pred_boxes.tensor.double().numpy() + np.array([1, 1, 0, 0])  # VOC's pixels start at 1
            columns = [found.pred_classes.double().numpy(), found.scores.double().numpy(), *boxes.T]
            self._predictions[str(record["image_id"])] = np.stack(columns, axis=1)

    def evaluate(self) -> dict[str, dict[str, float]]:
        """Measure: `{"bbox": {"AP", "AP50", "AP75", "AP50-<class>"}}` in percent, AP over IoU 0.5 to 0.95.

        Empty in other processes than the main one.

        Raises:
            ValueError: for predictions for an image that the split does not have, and as `read_voc_truth`.
        """
        parts = gather(self._predictions, dst=0)
        if not is_main_process():
            return {}
        predictions = {image: rows for part in reversed(parts) for image, rows in part.items()}
        truth = read_voc_truth(Path(self._metadata.dirname), self._metadata.split, self._class_names)
        images = truth[self._class_names[0]]
        unknown = [image for image, rows in predictions.items() if len(rows) and image not in images]
        if unknown:
            place = f"the {len(images)} of {self._metadata.split}"
            raise ValueError(f"PascalVOCDetectionEvaluator: image {unknown[0]!r} is none of {place}")
        table = np.zeros((len(self._class_names), len(_THRESHOLDS)))
        for label, name in enumerate(self._class_names):
            rows = {image: found[found[:, 0] == label] for image, found in predictions.items()}
            for column, threshold in enumerate(_THRESHOLDS):
                recall, precision = voc_precision_recall(truth[name], rows, threshold / 100)
                table[label, column] = 100 * voc_average_precision(recall, precision, self._is_2007)
        figures = {"AP": float(np.nanmean(table)), "AP50": float(np.nanmean(table[:, 0]))}
        figures["AP75"] = float(np.nanmean(table[:, 5]))
        by_class = dict(zip(self._class_names, table[:, 0].tolist(), strict=True))
        logger = logging.getLogger(__name__)
        logger.info("Evaluation results for bbox:\n%s", format_metrics(figures))
        logger.info("Per-category AP50:\n%s", format_categories(by_class))
        return {"bbox": figures | {f"AP50-{name}": value for name, value in by_class.items()}}


def read_voc_truth(folder: Path, split: str, names: Sequence[str]) -> dict[str, dict[str, VocObjects]]:
    """Read VOC's XML files: class name to {image name: its objects of the class}.

    Raises:
        ValueError: where a file is no XML or an object lacks a field; the message names the file and the object.
    """
    truth: dict[str, dict[str, VocObjects]] = {name: {} for name in names}
    for image in (folder / "ImageSets" / "Main" / f"{split}.txt").read_text(encoding="utf-8").split():
        path = folder / "Annotations" / f"{image}.xml"
        try:
            root = ElementTree.parse(path).getroot()
        except ElementTree.ParseError as error:
            raise ValueError(f"read_voc_truth: {path} is no XML: {error}") from error
        objects: dict[str, list[tuple[list[float], bool]]] = {name: [] for name in names}
        for index, element in enumerate(root.iter("object")):
            name = element.findtext("name") or ""
            corners = [element.findtext(f"bndbox/{key}") for key in ("xmin", "ymin", "xmax", "ymax")]
            if not name or None in corners:
                raise ValueError(f"read_voc_truth: {path}: object {index} lacks its name or a corner of its bndbox")
            if name in objects:
                difficult = (element.findtext("difficult") or "0").strip() == "1"
                objects[name].append(([float(corner or 0) for corner in corners], difficult))
        for name, found in objects.items():
            boxes = np.array([box for box, _ in found]).reshape(-1, 4)
            truth[name][image] = VocObjects(boxes, np.array([difficult for _, difficult in found], dtype=bool))
    return truth


def voc_precision_recall(
    truth: Mapping[str, VocObjects], found: Mapping[str, np.ndarray], threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Match the detections of one class, best first, and return recall and precision after each that counts.

    Args:
        truth: Image name to the objects of the class.
        found: Image name to rows of (class, score, xmin, ymin, xmax, ymax).
        threshold: A match needs an IoU above it.
    """
    positives = sum(int((~objects.difficult).sum()) for objects in truth.values())
    images = [image for image, rows in found.items() for _ in range(len(rows))]
    rows = np.concatenate([np.zeros((0, 6)), *found.values()])
    taken = {image: np.zeros(len(objects.boxes), dtype=bool) for image, objects in truth.items()}
    hit, miss = np.zeros(len(rows)), np.zeros(len(rows))
    for position, index in enumerate(np.argsort(-rows[:, 1], kind="stable").tolist()):
        image = images[index]
        objects = truth.get(image)
        overlaps = _pixel_iou(rows[index, 2:], objects.boxes) if objects is not None else np.zeros(0)
        best = int(overlaps.argmax()) if len(overlaps) else -1
        if objects is None or best < 0 or not overlaps[best] > threshold:
            miss[position] = 1
        elif not objects.difficult[best]:
            hit[position], miss[position] = not taken[image][best], taken[image][best]
            taken[image][best] = True
    hits, misses = np.cumsum(hit), np.cumsum(miss)
    if not positives:
        return np.full(1, np.nan), np.zeros(1)
    return hits / positives, hits / np.maximum(hits + misses, np.finfo(np.float64).eps)


def voc_average_precision(recall: np.ndarray, precision: np.ndarray, is_2007: bool = False) -> float:
    """The area under the curve of precision, made falling; the mean at 11 recalls for the metric of 2007.

    Returns:
        In [0, 1]; NaN for a class without objects, 0 for one without detections.
    """
    if np.isnan(recall).any():
        return float("nan")
    if is_2007:
        return sum(float(precision[recall >= level].max(initial=0.0)) for level in np.arange(0, 1.1, 0.1)) / 11
    recall = np.concatenate([[0.0], recall, [1.0]])
    envelope = np.maximum.accumulate(np.concatenate([[0.0], precision, [0.0]])[::-1])[::-1]
    steps = np.flatnonzero(recall[1:] != recall[:-1])
    return float(((recall[steps + 1] - recall[steps]) * envelope[steps + 1]).sum())


def _pixel_iou(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """IoU of boxes whose far side is a pixel of theirs: width is xmax - xmin + 1."""
    low, high = np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, 2:], box[2:])
    shared = (high - low + 1).clip(min=0).prod(axis=1)
    area, areas = (box[2:] - box[:2] + 1).prod(), (boxes[:, 2:] - boxes[:, :2] + 1).prod(axis=1)
    return shared / (area + areas - shared)
