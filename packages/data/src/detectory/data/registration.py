"""Registration of datasets: each function adds a dataset to `DatasetCatalog` and its metadata to `MetadataCatalog`.

The readers in `detectory.data.formats` return records and metadata. The functions here connect them to the catalogs.
"""

import logging
import os
from collections.abc import Sequence
from typing import Any

from detectory.structures.records import DatasetRecord

from .catalog import DatasetCatalog, Metadata, MetadataCatalog
from .formats.coco.index import open_coco_index
from .formats.coco.reader import read_coco
from .formats.lvis import read_lvis
from .formats.panoptic.merge import merge_to_panoptic
from .formats.panoptic.reader import load_coco_panoptic_json
from .formats.semantic import load_sem_seg
from .formats.voc.reader import load_voc_instances
from .metadata.panoptic import panoptic_metadata, semantic_metadata, separated_metadata
from .metadata.voc import VOC_CLASSES, voc_metadata

_logger = logging.getLogger(__name__)

INDEX_MIN_BYTES = 32 << 20
"""COCO files of this size and more are loaded through an index: parsing them takes seconds, and their records occupy
hundreds of megabytes in every process."""


def load_coco(json_file: str, image_root: str, dataset_name: str) -> Sequence[DatasetRecord]:
    """Load a COCO file as a list, or through an index if the file is large, and update the dataset's metadata."""
    if os.path.isfile(json_file) and os.path.getsize(json_file) >= INDEX_MIN_BYTES:
        index = open_coco_index(json_file, image_root)
        _set_classes(MetadataCatalog.get(dataset_name), index.metadata)
        return index
    return load_coco_json(json_file, image_root, dataset_name)


def load_coco_json(
    json_file: str | os.PathLike[str],
    image_root: str | os.PathLike[str],
    dataset_name: str | None = None,
    extra_annotation_keys: Sequence[str] | None = None,
) -> list[DatasetRecord]:
    """Load a file in COCO's instances or keypoints format and update the dataset's metadata.

    Args:
        json_file: The annotation file.
        image_root: The folder of the images.
        dataset_name: If given, category ids are mapped to contiguous ids, and `thing_classes` and
            `thing_dataset_id_to_contiguous_id` are set in the metadata of this dataset. Otherwise the records contain
            the category ids of the file.
        extra_annotation_keys: Additional annotation fields to copy into the records.

    Returns:
        The records; see `read_coco`.

    Raises:
        FileNotFoundError: If the file does not exist.
        DatasetError: If the file is invalid.
    """
    dataset = read_coco(
        json_file,
        image_root,
        contiguous_ids=dataset_name is not None,
        extra_annotation_keys=extra_annotation_keys or (),
    )
    if dataset_name is not None:
        _set_classes(MetadataCatalog.get(dataset_name), dataset.metadata)
    return dataset.records


def load_lvis_json(
    json_file: str | os.PathLike[str],
    image_root: str | os.PathLike[str],
    dataset_name: str | None = None,
    extra_annotation_keys: Sequence[str] | None = None,
) -> list[DatasetRecord]:
    """Load a file in LVIS format and update the dataset's metadata.

    Args:
        json_file: The annotation file.
        image_root: The folder that contains COCO's `train2017`, `val2017` and `test2017`.
        dataset_name: If given, `thing_classes`, the category id mapping and, if the file contains them, the image
            counts of the classes are set in the metadata of this dataset. A mapping that is already set is used as it
            is: "cocofied" datasets have COCO's ids.
        extra_annotation_keys: Additional annotation fields to copy into the records.

    Returns:
        The records; see `read_lvis`.

    Raises:
        DatasetError: If the file is invalid.
    """
    metadata = None if dataset_name is None else MetadataCatalog.get(dataset_name)
    known_ids = None if metadata is None else metadata.get("thing_dataset_id_to_contiguous_id")
    dataset = read_lvis(
        json_file,
        image_root,
        category_ids=known_ids,
        extra_annotation_keys=extra_annotation_keys or (),
    )
    if metadata is not None and known_ids is None:
        _set_classes(metadata, dataset.metadata)
        if "class_image_count" in dataset.metadata and metadata.get("class_image_count") is None:
            metadata.class_image_count = dataset.metadata["class_image_count"]
    return dataset.records


def _set_classes(metadata: Metadata, loaded: dict[str, Any]) -> None:
    """Set class names and category ids from a file, but keep class names that are already set."""
    names, ids = loaded["thing_classes"], loaded["thing_dataset_id_to_contiguous_id"]
    if metadata.get("thing_classes") is None:
        metadata.thing_classes = names
    elif list(metadata.thing_classes) != names:
        _logger.warning("Dataset %s: thing_classes in the metadata differ from the names in its file.", metadata.name)
    metadata.thing_dataset_id_to_contiguous_id = ids


def load_separated(name: str, image_root: str, sem_seg_root: str, instances_json: str) -> list[DatasetRecord]:
    """Load instances and semantic label images of the same images."""
    instances = load_coco_json(instances_json, image_root, name)
    return merge_to_panoptic(instances, load_sem_seg(sem_seg_root, image_root))


def register_coco_instances(
    name: str,
    metadata: dict[str, Any],
    json_file: str | os.PathLike[str],
    image_root: str | os.PathLike[str],
) -> None:
    """Register a dataset in COCO's instances or keypoints format.

    Args:
        name: The name of the dataset, for example `"my_dataset_train"`.
        metadata: Additional metadata, may be empty.
        json_file: The annotation file. The file is not read before the dataset is loaded.
        image_root: The folder of the images.

    Raises:
        TypeError: If `name` is not a string.
        ValueError: If a dataset with this name is already registered.
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
    """Register a dataset in COCO's panoptic format, with one range of ids for things and stuff.

    Args:
        name: The name of the dataset, for example `"coco_2017_train_panoptic"`.
        metadata: Metadata with `thing_dataset_id_to_contiguous_id` and `stuff_dataset_id_to_contiguous_id`.
        image_root: The folder of the images.
        panoptic_root: The folder of the panoptic PNG files.
        panoptic_json: The annotation file.
        instances_json: An annotation file of instances, used only for evaluation.
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
    """Register a panoptic dataset as instances plus semantic labels, as used by Panoptic FPN.

    Two datasets are registered. `{name}_separated` has instances (from COCO's polygons, which may overlap) and semantic
    labels (0 is "any thing", stuff classes start at 1). `{name}_stuffonly` has only the semantic labels.

    Args:
        name: The common part of the names, for example `"coco_2017_train_panoptic"`.
        metadata: Additional metadata of both datasets.
        image_root: The folder of the images.
        panoptic_root: The folder of the panoptic PNG files, used for evaluation.
        panoptic_json: The panoptic annotation file, used for evaluation.
        sem_seg_root: The folder of the label images from `separate_coco_semantic_from_panoptic`.
        instances_json: The annotation file of the instances.
    """
    separated, stuff = f"{name}_separated", f"{name}_stuffonly"
    DatasetCatalog.register(separated, lambda: load_separated(separated, image_root, sem_seg_root, instances_json))
    MetadataCatalog.get(separated).set(
        **separated_metadata(metadata, image_root, panoptic_root, panoptic_json, sem_seg_root, instances_json)
    )
    DatasetCatalog.register(stuff, lambda: load_sem_seg(sem_seg_root, image_root))
    MetadataCatalog.get(stuff).set(**semantic_metadata(metadata, image_root, sem_seg_root))


def register_lvis_instances(name: str, metadata: dict[str, Any], json_file: str, image_root: str) -> None:
    """Register a dataset in LVIS format.

    Args:
        name: The name of the dataset, for example `"lvis_v1_train"`.
        metadata: Additional metadata, may be empty.
        json_file: The annotation file. The file is not read before the dataset is loaded.
        image_root: The folder that contains COCO's `train2017`, `val2017` and `test2017`.
    """
    DatasetCatalog.register(name, lambda: load_lvis_json(json_file, image_root, name))
    MetadataCatalog.get(name).set(json_file=json_file, image_root=image_root, evaluator_type="lvis", **metadata)


def register_pascal_voc(
    name: str,
    dirname: str,
    split: str,
    year: int,
    class_names: Sequence[str] = tuple(VOC_CLASSES),
) -> None:
    """Register a dataset in Pascal VOC format.

    Args:
        name: The name of the dataset, for example `"voc_2007_trainval"`.
        dirname: The folder of the dataset; see `load_voc_instances`.
        split: The name of a list in `ImageSets/Main`.
        year: 2007 or 2012. VOC 2007 computes the average precision differently.
        class_names: The class names in the order of the class ids.
    """
    DatasetCatalog.register(name, lambda: load_voc_instances(dirname, split, class_names))
    MetadataCatalog.get(name).set(**voc_metadata(dirname, split, year, class_names))
