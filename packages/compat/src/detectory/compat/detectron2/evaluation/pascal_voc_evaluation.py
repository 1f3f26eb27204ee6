"""Pascal VOC's evaluation under Detectron2's module path."""

from collections import defaultdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from detectory.evaluation import PascalVOCDetectionEvaluator
from detectory.evaluation.pascal_voc import VocObjects, voc_average_precision, voc_precision_recall

__all__ = ["PascalVOCDetectionEvaluator", "parse_rec", "voc_ap", "voc_eval"]

_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def parse_rec(filename: str) -> list[dict[str, Any]]:
    """Read one of VOC's XML files.

    Returns:
        For each object `name`, `pose`, `truncated`, `difficult` and `bbox`, four whole numbers that start
        at 1 and of which the last ones belong to the object.
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
        raise ValueError(f"parse_rec: {filename}: object {element.findtext('name')!r} lacks bndbox/{name}")
    return int(float(text))


def voc_ap(rec: np.ndarray, prec: np.ndarray, use_07_metric: bool = False) -> float:
    """Return the average precision of a curve; arguments as of `voc_average_precision`."""
    return voc_average_precision(np.asarray(rec), np.asarray(prec), use_07_metric)


def voc_eval(
    detpath: str,
    annopath: str,
    imagesetfile: str,
    classname: str,
    ovthresh: float = 0.5,
    use_07_metric: bool = False,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Evaluate one class by files as VOC's development kit has them.

    Args:
        detpath: Results; `detpath.format(classname)` has lines of image, score, xmin, ymin, xmax and ymax.
        annopath: Annotations; `annopath.format(image)` is an XML file.
        imagesetfile: One image a line.
        classname: The class.
        ovthresh: IoU above which a detection finds an object.
        use_07_metric: The metric of 2007.

    Returns:
        Recall and precision behind every detection, best first, and the average precision.
    """
    truth = {}
    for image in Path(imagesetfile).read_text(encoding="utf-8").split():
        objects = [found for found in parse_rec(annopath.format(image)) if found["name"] == classname]
        boxes = np.array([found["bbox"] for found in objects], dtype=float).reshape(-1, 4)
        truth[image] = VocObjects(boxes, np.array([found["difficult"] for found in objects], dtype=bool))
    found: dict[str, list[list[float]]] = defaultdict(list)
    for line in Path(detpath.format(classname)).read_text(encoding="utf-8").splitlines():
        image, *numbers = line.split()
        found[image].append([0.0, *map(float, numbers)])
    rows = {image: np.array(lines) for image, lines in found.items()}
    recall, precision = voc_precision_recall(truth, rows, ovthresh)
    return recall, precision, voc_ap(recall, precision, use_07_metric)
