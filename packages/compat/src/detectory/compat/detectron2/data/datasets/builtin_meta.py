"""Classes, colours and keypoints of the built-in datasets under Detectron2's module path, loaded on first access."""

from collections.abc import Callable
from typing import Any

from detectory.data import MetadataCatalog
from detectory.data.metadata.coco import (
    coco_instances_metadata,
    coco_panoptic_separated_metadata,
    coco_panoptic_standard_metadata,
    coco_person_metadata,
)
from detectory.data.metadata.facts import fact_file

_CONSTANTS: dict[str, Callable[[], Any]] = {
    "ADE20K_SEM_SEG_CATEGORIES": lambda: list(MetadataCatalog.get("ade20k_sem_seg_train").stuff_classes),
    "CITYSCAPES_CATEGORIES": lambda: [dict(category) for category in fact_file("cityscapes_categories.json")],
    "COCO_CATEGORIES": lambda: [dict(category) for category in fact_file("coco_categories.json")],
    "COCO_PERSON_KEYPOINT_FLIP_MAP": lambda: tuple(coco_person_metadata()["keypoint_flip_map"]),
    "COCO_PERSON_KEYPOINT_NAMES": lambda: tuple(coco_person_metadata()["keypoint_names"]),
    "KEYPOINT_CONNECTION_RULES": lambda: coco_person_metadata()["keypoint_connection_rules"],
}
_METADATA: dict[str, Callable[[], dict[str, Any]]] = {
    "coco": coco_instances_metadata,
    "coco_panoptic_separated": coco_panoptic_separated_metadata,
    "coco_panoptic_standard": coco_panoptic_standard_metadata,
    "coco_person": coco_person_metadata,
    "cityscapes": lambda: {
        "thing_classes": [
            category["name"] for category in fact_file("cityscapes_categories.json") if category["isthing"]
        ],
        "stuff_classes": [category["name"] for category in fact_file("cityscapes_categories.json")],
    },
}


def __getattr__(name: str) -> Any:
    if name not in _CONSTANTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _CONSTANTS[name]()


def _get_coco_instances_meta() -> dict[str, Any]:
    """Return the classes, colours and ids of COCO instances."""
    return coco_instances_metadata()


def _get_coco_panoptic_separated_meta() -> dict[str, Any]:
    """Return the things and stuff of COCO panoptic segmentation as separate classes."""
    return coco_panoptic_separated_metadata()


def _get_builtin_metadata(dataset_name: str) -> dict[str, Any]:
    """Return the metadata of a dataset family such as `"coco"`.

    Raises:
        KeyError: If the family is unknown.
    """
    if dataset_name not in _METADATA:
        raise KeyError(f"_get_builtin_metadata: unknown dataset {dataset_name!r}, expected one of {sorted(_METADATA)}")
    return _METADATA[dataset_name]()
