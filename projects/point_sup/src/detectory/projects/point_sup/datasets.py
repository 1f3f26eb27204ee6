"""Datasets in COCO's format with points; importing this module registers COCO 2017 with ten points per object."""

import os
from typing import Any

from detectory.data import DatasetCatalog, MetadataCatalog
from detectory.data.builtin import datasets_root
from detectory.data.metadata.coco import coco_instances_metadata
from detectory.data.registration import load_coco_json

__all__ = ["COCO_POINTS", "load_coco_points", "register_coco_instances_with_points"]

#: COCO 2017 with ten points per object and without masks.
COCO_POINTS = "coco_2017_train_points_n10_v1_without_masks"


def load_coco_points(json_file: str, image_root: str, dataset_name: str | None = None) -> list[Any]:
    """Load a file with points; see `detectory.data.registration.load_coco_json`.

    Returns:
        Records with the fields `point_coords` and `point_labels` in their annotations.
    """
    return load_coco_json(json_file, image_root, dataset_name, extra_annotation_keys=["point_coords", "point_labels"])


def register_coco_instances_with_points(
    name: str, metadata: dict[str, Any], json_file: str | os.PathLike[str], image_root: str | os.PathLike[str]
) -> None:
    """Register a dataset in COCO's format with points.

    Args:
        name: Name of the dataset.
        metadata: Additional metadata.
        json_file: Annotation file, see `detectory.projects.point_sup.add_points`.
        image_root: Folder of the images.
    """
    file, images = os.fspath(json_file), os.fspath(image_root)
    DatasetCatalog.register(name, lambda: load_coco_points(file, images, name))
    MetadataCatalog.get(name).set(json_file=file, image_root=images, evaluator_type="coco", **metadata)


def _register_coco() -> None:
    folder = os.path.join(datasets_root(), "coco")
    file = os.path.join(folder, "annotations", "instances_train2017_n10_v1_without_masks.json")
    register_coco_instances_with_points(COCO_POINTS, coco_instances_metadata(), file, os.path.join(folder, "train2017"))


_register_coco()
