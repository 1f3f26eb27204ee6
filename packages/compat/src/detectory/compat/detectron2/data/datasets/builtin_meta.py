"""Classes, colours and keypoints of the built-in datasets under Detectron2's module path; read when asked for."""

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
    "CITYSCAPES_CATEGORIES": lambda: [dict(one) for one in fact_file("cityscapes_categories.json")],
    "COCO_CATEGORIES": lambda: [dict(one) for one in fact_file("coco_categories.json")],
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
        "thing_classes": [one["name"] for one in fact_file("cityscapes_categories.json") if one["isthing"]],
        "stuff_classes": [one["name"] for one in fact_file("cityscapes_categories.json")],
    },
}


def __getattr__(name: str) -> Any:
    if name not in _CONSTANTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _CONSTANTS[name]()


def _get_coco_instances_meta() -> dict[str, Any]:
    """Return classes, colours and ids of COCO's instances."""
    return coco_instances_metadata()


def _get_builtin_metadata(dataset_name: str) -> dict[str, Any]:
    """Return what is known about a family of datasets.

    Raises:
        KeyError: there is no such family.
    """
    if dataset_name not in _METADATA:
        raise KeyError(f"_get_builtin_metadata: no built-in metadata for {dataset_name!r}: known: {sorted(_METADATA)}")
    return _METADATA[dataset_name]()
