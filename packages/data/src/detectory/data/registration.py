"""Register datasets of the formats that this package reads."""

import os
from collections.abc import Sequence
from typing import Any

from .catalog import DatasetCatalog, MetadataCatalog
from .formats.coco.index import load_coco
from .formats.lvis import load_lvis_json
from .formats.panoptic.reader import (
    load_coco_panoptic_json,
    load_separated,
    panoptic_metadata,
    separated_metadata,
    stuff_metadata,
)
from .formats.semantic import load_sem_seg
from .formats.voc.reader import VOC_CLASSES, load_voc_instances, voc_metadata


def register_coco_instances(
    name: str,
    metadata: dict[str, Any],
    json_file: str | os.PathLike[str],
    image_root: str | os.PathLike[str],
) -> None:
    """Register a dataset in COCO's instances or keypoints format.

    Args:
        name: For example `"my_dataset_train"`.
        metadata: Further metadata; may be empty.
        json_file: The annotation file; it is read when the dataset is first asked for.
        image_root: The folder of the images.
    """
    if not isinstance(name, str):
        raise TypeError(f"register_coco_instances: name must be a string, got {type(name).__name__}")
    file, root = os.fspath(json_file), os.fspath(image_root)
    DatasetCatalog.register(name, lambda: load_coco(file, root, name))
    MetadataCatalog.get(name).set(json_file=file, image_root=root, evaluator_type="coco", **metadata)


def register_coco_panoptic(
    name: str,
    metadata: dict[str, Any],
    image_root: str,
    panoptic_root: str,
    panoptic_json: str,
    instances_json: str | None = None,
) -> None:
    """Register a dataset in COCO's panoptic format, with one numbering for things and stuff.

    Args:
        name: For example `"coco_2017_train_panoptic"`.
        metadata: Must have `thing_dataset_id_to_contiguous_id` and `stuff_dataset_id_to_contiguous_id`.
        image_root: The folder of photos.
        panoptic_root: The folder of panoptic PNG files.
        panoptic_json: The annotation file.
        instances_json: An annotation file of instances, for evaluation only.
    """
    DatasetCatalog.register(name, lambda: load_coco_panoptic_json(panoptic_json, image_root, panoptic_root, metadata))
    MetadataCatalog.get(name).set(
        **panoptic_metadata(metadata, image_root, panoptic_root, panoptic_json, instances_json)
    )


def register_coco_panoptic_separated(
    name: str,
    metadata: dict[str, Any],
    image_root: str,
    panoptic_root: str,
    panoptic_json: str,
    sem_seg_root: str,
    instances_json: str,
) -> None:
    """Register a panoptic dataset with instances and semantic labels apart, as Panoptic FPN uses it.

    Two datasets are registered: `name + "_separated"` with instances (from COCO's polygons, which may overlap) and
    semantic labels (0 is "any thing", stuff classes count from 1), and `name + "_stuffonly"` with the labels alone.

    Args:
        name: For example `"coco_2017_train_panoptic"`.
        metadata: Further metadata of both.
        image_root: The folder of photos.
        panoptic_root: The folder of panoptic PNG files, for evaluation.
        panoptic_json: The panoptic annotation file, for evaluation.
        sem_seg_root: The folder of label images; `separate_coco_semantic_from_panoptic` makes them.
        instances_json: The annotation file of instances.
    """
    both, stuff = f"{name}_separated", f"{name}_stuffonly"
    DatasetCatalog.register(both, lambda: load_separated(both, image_root, sem_seg_root, instances_json))
    MetadataCatalog.get(both).set(
        **separated_metadata(metadata, image_root, panoptic_root, panoptic_json, sem_seg_root, instances_json)
    )
    DatasetCatalog.register(stuff, lambda: load_sem_seg(sem_seg_root, image_root))
    MetadataCatalog.get(stuff).set(**stuff_metadata(metadata, image_root, sem_seg_root))


def register_lvis_instances(name: str, metadata: dict[str, Any], json_file: str, image_root: str) -> None:
    """Register a dataset in LVIS's format.

    Args:
        name: For example `"lvis_v1_train"`.
        metadata: Further metadata; may be empty.
        json_file: The annotation file; it is read when the dataset is first asked for.
        image_root: The folder above COCO's folders of photos.
    """
    DatasetCatalog.register(name, lambda: load_lvis_json(json_file, image_root, name))
    MetadataCatalog.get(name).set(json_file=json_file, image_root=image_root, evaluator_type="lvis", **metadata)


def register_pascal_voc(
    name: str, dirname: str, split: str, year: int, class_names: Sequence[str] = tuple(VOC_CLASSES)
) -> None:
    """Register a dataset in Pascal VOC's format.

    Args:
        name: For example `"voc_2007_trainval"`.
        dirname: See `load_voc_instances`.
        split: The name of a list in `ImageSets/Main`.
        year: 2007 or 2012; the evaluation of 2007 differs.
        class_names: The classes in the order of their numbers.
    """
    DatasetCatalog.register(name, lambda: load_voc_instances(dirname, split, class_names))
    MetadataCatalog.get(name).set(**voc_metadata(dirname, split, year, class_names))
