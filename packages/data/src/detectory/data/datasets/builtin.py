"""The datasets that are known without registration, and where their files are expected."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

from . import metadata
from .coco import load_coco_json

Loader = Callable[[], list[dict[str, Any]]]

# Name: (folder of the images, annotation file), below the folder of datasets.
COCO_INSTANCES = {
    "coco_2014_train": ("coco/train2014", "coco/annotations/instances_train2014.json"),
    "coco_2014_val": ("coco/val2014", "coco/annotations/instances_val2014.json"),
    "coco_2014_minival": ("coco/val2014", "coco/annotations/instances_minival2014.json"),
    "coco_2014_valminusminival": ("coco/val2014", "coco/annotations/instances_valminusminival2014.json"),
    "coco_2017_train": ("coco/train2017", "coco/annotations/instances_train2017.json"),
    "coco_2017_val": ("coco/val2017", "coco/annotations/instances_val2017.json"),
    "coco_2017_test": ("coco/test2017", "coco/annotations/image_info_test2017.json"),
    "coco_2017_test-dev": ("coco/test2017", "coco/annotations/image_info_test-dev2017.json"),
    "coco_2017_val_100": ("coco/val2017", "coco/annotations/instances_val2017_100.json"),
}
COCO_KEYPOINTS = {
    "keypoints_coco_2014_train": ("coco/train2014", "coco/annotations/person_keypoints_train2014.json"),
    "keypoints_coco_2014_val": ("coco/val2014", "coco/annotations/person_keypoints_val2014.json"),
    "keypoints_coco_2014_minival": ("coco/val2014", "coco/annotations/person_keypoints_minival2014.json"),
    "keypoints_coco_2014_valminusminival": (
        "coco/val2014",
        "coco/annotations/person_keypoints_valminusminival2014.json",
    ),
    "keypoints_coco_2017_train": ("coco/train2017", "coco/annotations/person_keypoints_train2017.json"),
    "keypoints_coco_2017_val": ("coco/val2017", "coco/annotations/person_keypoints_val2017.json"),
    "keypoints_coco_2017_val_100": ("coco/val2017", "coco/annotations/person_keypoints_val2017_100.json"),
}


def datasets_root() -> str:
    """Return the folder of the built-in datasets: ``$DETECTORY_DATASETS``, ``$DETECTRON2_DATASETS`` or ``datasets``."""
    root = os.environ.get("DETECTORY_DATASETS") or os.environ.get("DETECTRON2_DATASETS") or "datasets"
    return os.path.expanduser(root)


def _coco_metadata(name: str, facts: dict[str, Any], place: tuple[str, str]) -> dict[str, Any]:
    del name
    images, file = (os.path.join(datasets_root(), part) for part in place)
    return {**facts, "json_file": file, "image_root": images, "evaluator_type": "coco"}


def _coco_loader(name: str, place: tuple[str, str]) -> list[dict[str, Any]]:
    images, file = (os.path.join(datasets_root(), part) for part in place)
    return load_coco_json(file, images, name)


def builtin_loaders() -> dict[str, Loader]:
    """Return the loaders of all built-in datasets by name; nothing is read before one is called."""
    return {name: partial(_coco_loader, name, place) for name, place in {**COCO_INSTANCES, **COCO_KEYPOINTS}.items()}


def builtin_metadata(name: str) -> dict[str, Any]:
    """Return the metadata of a built-in dataset; empty for other names."""
    if name in COCO_INSTANCES:
        return _coco_metadata(name, metadata.coco_instances_metadata(), COCO_INSTANCES[name])
    if name in COCO_KEYPOINTS:
        return _coco_metadata(name, metadata.coco_person_metadata(), COCO_KEYPOINTS[name])
    return {}
