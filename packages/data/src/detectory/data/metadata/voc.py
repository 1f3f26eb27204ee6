"""Classes of Pascal VOC."""

from collections.abc import Sequence
from typing import Any

VOC_CLASSES = [
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
]


def voc_metadata(dirname: str, split: str, year: int, class_names: Sequence[str]) -> dict[str, Any]:
    """Return the metadata of a dataset in Pascal VOC format; see `register_pascal_voc`."""
    return {
        "thing_classes": list(class_names),
        "dirname": dirname,
        "year": year,
        "split": split,
        "evaluator_type": "pascal_voc",
    }
