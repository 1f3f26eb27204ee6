"""Pascal VOC evaluator under Detectron2's module path."""

import logging
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import torch

from detectory import evaluation as native
from detectory.evaluation.pascal_voc import VocObjects, voc_average_precision, voc_precision_recall

__all__ = ["PascalVOCDetectionEvaluator", "parse_rec", "voc_ap", "voc_eval"]

_CORNERS = ("xmin", "ymin", "xmax", "ymax")


class PascalVOCDetectionEvaluator(native.PascalVOCDetectionEvaluator):
    """A VOC evaluator with Detectron2's state: `_predictions` contains the lines of VOC's result files by class.

    Scores are rounded to three digits and boxes to one, as in the files.

    Args:
        dataset_name: A registered dataset in VOC's folder layout; see `detectory.evaluation`.
    """

    def __init__(self, dataset_name: str) -> None:
        super().__init__(dataset_name)
        self._dataset_name = dataset_name
        folder = os.fspath(self._metadata.dirname)
        self._anno_file_template = os.path.join(folder, "Annotations", "{}.xml")
        self._image_set_path = os.path.join(folder, "ImageSets", "Main", f"{self._metadata.split}.txt")
        self._cpu_device = torch.device("cpu")
        self._logger = logging.getLogger(__name__)
        self.reset()

    def reset(self) -> None:
        """Discard all predictions."""
        self._predictions: Any = defaultdict(list)

    def process(self, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> None:
        """Add a line `image score xmin ymin xmax ymax` per detection to the list of its class."""
        for record, output in zip(inputs, outputs, strict=False):
            instances = output["instances"].to(self._cpu_device)
            boxes = instances.pred_boxes.tensor.numpy() + np.array([1, 1, 0, 0])
            detections = zip(boxes, instances.scores.tolist(), instances.pred_classes.tolist(), strict=True)
            for (xmin, ymin, xmax, ymax), score, label in detections:
                self._predictions[label].append(
                    f"{record['image_id']} {score:.3f} {xmin:.1f} {ymin:.1f} {xmax:.1f} {ymax:.1f}"
                )

    def evaluate(self) -> dict[str, dict[str, float]]:
        """Compute the metrics; see `detectory.evaluation.PascalVOCDetectionEvaluator`."""
        lines = self._predictions
        self._predictions = _rows_by_image(lines)
        try:
            return super().evaluate()
        finally:
            self._predictions = lines


def _rows_by_image(predictions: Mapping[int, Sequence[str]]) -> dict[str, np.ndarray]:
    """Convert the lines of all classes to rows (class, score, xmin, ymin, xmax, ymax) by image."""
    rows: dict[str, list[list[float]]] = defaultdict(list)
    for label, lines in predictions.items():
        for line in lines:
            image, *numbers = line.rsplit(" ", 5)
            rows[image].append([float(label), *map(float, numbers)])
    return {image: np.array(entries) for image, entries in rows.items()}


def parse_rec(filename: str) -> list[dict[str, Any]]:
    """Read a VOC annotation file.

    Returns:
        One dictionary per object with `name`, `pose`, `truncated`, `difficult` and `bbox`, four one-based inclusive
            integers.
    """
    return [
        {
            "name": element.findtext("name"),
            "pose": element.findtext("pose", "Unspecified"),
            "truncated": int(element.findtext("truncated", "0")),
            "difficult": int(element.findtext("difficult", "0")),
            "bbox": [_corner(filename, element, name) for name in _CORNERS],
        }
        for element in ElementTree.parse(filename).getroot().iter("object")
    ]


def _corner(filename: str, element: ElementTree.Element, name: str) -> int:
    text = element.findtext(f"bndbox/{name}")
    if text is None:
        raise ValueError(f"{filename}: object {element.findtext('name')!r}: bndbox/{name} is missing")
    return int(float(text))


def voc_ap(rec: np.ndarray, prec: np.ndarray, use_07_metric: bool = False) -> float:
    """Return the average precision of a curve; see `voc_average_precision`."""
    return voc_average_precision(np.asarray(rec), np.asarray(prec), use_07_metric)


def voc_eval(
    detpath: str,
    annopath: str,
    imagesetfile: str,
    classname: str,
    ovthresh: float = 0.5,
    use_07_metric: bool = False,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Evaluate one class from files in the layout of VOC's development kit.

    Args:
        detpath: Results; `detpath.format(classname)` contains lines of image, score, xmin, ymin, xmax and ymax.
        annopath: Annotations; `annopath.format(image)` is an XML file.
        imagesetfile: One image name per line.
        classname: The class.
        ovthresh: Minimum IoU of a match.
        use_07_metric: Use VOC 2007's 11-point metric.

    Returns:
        Recall and precision after each detection in descending score order, and the average precision.
    """
    ground_truth = {}
    for image in Path(imagesetfile).read_text(encoding="utf-8").split():
        objects = [entry for entry in parse_rec(annopath.format(image)) if entry["name"] == classname]
        boxes = np.array([entry["bbox"] for entry in objects], dtype=float).reshape(-1, 4)
        ground_truth[image] = VocObjects(boxes, np.array([entry["difficult"] for entry in objects], dtype=bool))
    detections: dict[str, list[list[float]]] = defaultdict(list)
    for line in Path(detpath.format(classname)).read_text(encoding="utf-8").splitlines():
        image, *numbers = line.split()
        detections[image].append([0.0, *map(float, numbers)])
    rows = {image: np.array(lines) for image, lines in detections.items()}
    recall, precision = voc_precision_recall(ground_truth, rows, ovthresh)
    return recall, precision, voc_ap(recall, precision, use_07_metric)
