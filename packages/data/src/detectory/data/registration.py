"""Registration of datasets: each function adds a dataset to `DatasetCatalog` and its metadata to `MetadataCatalog`.

The readers in `detectory.data.formats` return records and metadata. The functions here connect them to the catalogs.
"""

import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from detectory.structures.records import DatasetRecord

from .catalog import DatasetCatalog, Metadata, MetadataCatalog
from .classes import listed, match_by_name
from .formats.coco.categories import KEYPOINT_KEYS
from .formats.coco.index import open_coco_index
from .formats.coco.reader import LoadedDataset, read_coco
from .formats.lvis import read_lvis
from .formats.panoptic.merge import merge_to_panoptic
from .formats.panoptic.reader import load_coco_panoptic_json
from .formats.semantic import load_sem_seg
from .formats.voc.reader import load_voc_instances
from .metadata.panoptic import panoptic_metadata, semantic_metadata, separated_metadata
from .metadata.voc import VOC_CLASSES, voc_metadata
from .problems import DatasetError

_logger = logging.getLogger(__name__)

INDEX_MIN_BYTES = 32 << 20
"""COCO files of this size and more are loaded through an index: parsing them takes seconds, and their records occupy
hundreds of megabytes in every process."""


def load_coco(json_file: str, image_root: str, dataset_name: str) -> Sequence[DatasetRecord]:
    """Load a COCO file as a list, or through an index if the file is large, and update the dataset's metadata."""
    if os.path.isfile(json_file) and os.path.getsize(json_file) >= INDEX_MIN_BYTES:
        index = open_coco_index(json_file, image_root)
        mapping = _set_classes(MetadataCatalog.get(dataset_name), index.metadata, json_file)
        if mapping is None:
            return index
        counts = index.category_counts(crowds=True)
        _check_classes_known([number for number, count in counts.items() if count], mapping, index.metadata, json_file)
        return index.with_categories([-1 if number is None else number for number in mapping])
    return load_coco_json(json_file, image_root, dataset_name)


@dataclass(frozen=True)
class CocoInstancesLoader:
    """The loader of a dataset in COCO's format; classes are matched by name to `thing_classes` in the metadata."""

    json_file: str
    image_root: str
    name: str
    matches_by_name: ClassVar[bool] = True

    def __call__(self) -> Sequence[DatasetRecord]:
        """Load the records."""
        return load_coco(self.json_file, self.image_root, self.name)


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
        mapping = _set_classes(MetadataCatalog.get(dataset_name), dataset.metadata, json_file)
        _renumber(dataset, mapping, json_file)
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
        _renumber(dataset, _set_classes(metadata, dataset.metadata, json_file), json_file)
        if "class_image_count" in dataset.metadata and metadata.get("class_image_count") is None:
            metadata.class_image_count = dataset.metadata["class_image_count"]
    return dataset.records


def _set_classes(metadata: Metadata, loaded: dict[str, Any], json_file: str | os.PathLike[str]) -> list[Any] | None:
    """Set class names, category ids and keypoints from a file; class names that are already set are kept.

    Returns:
        For each class of the file its index in the metadata's class names, None for unknown classes; or None if the
        indices of the file are right as they are.
    """
    names, ids = loaded["thing_classes"], loaded["thing_dataset_id_to_contiguous_id"]
    for key in KEYPOINT_KEYS:
        if key in loaded and metadata.get(key) is None:
            setattr(metadata, key, loaded[key])
    if metadata.get("thing_classes") is None:
        metadata.thing_classes = names
    mapping = match_by_name(names, metadata.thing_classes)
    if mapping == list(range(len(names))):
        if list(metadata.thing_classes[: len(names)]) != names:
            both = f"the metadata: {listed(metadata.thing_classes)}; the file: {listed(names)}"
            _logger.warning(
                "Dataset %s: the class names in the metadata differ from those in %s and are matched by position. %s",
                *(metadata.name, json_file, both),
            )
        metadata.thing_dataset_id_to_contiguous_id = ids
        return None
    known = {category: mapping[index] for category, index in ids.items() if mapping[index] is not None}
    metadata.thing_dataset_id_to_contiguous_id = known
    return mapping


def _renumber(dataset: LoadedDataset, mapping: list[Any] | None, json_file: str | os.PathLike[str]) -> None:
    """Map the classes of records to those of the metadata, in place."""
    if mapping is None:
        return
    annotations = [annotation for record in dataset.records for annotation in record["annotations"]]
    _check_classes_known({item["category_id"] for item in annotations}, mapping, dataset.metadata, json_file)
    for annotation in annotations:
        annotation["category_id"] = mapping[annotation["category_id"]]


def _check_classes_known(
    used: Iterable[int], mapping: list[Any], loaded: dict[str, Any], json_file: str | os.PathLike[str]
) -> None:
    names = loaded["thing_classes"]
    unknown = sorted({names[number] for number in used if mapping[number] is None})
    if unknown:
        others = [name for number, name in enumerate(names) if mapping[number] is not None]
        raise DatasetError(
            f"{json_file}: annotations of classes that the other datasets or the model do not have: {listed(unknown)}. "
            f"Classes in common: {listed(others)}. Rename or remove these classes in one of the files"
        )


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
    DatasetCatalog.register(name, CocoInstancesLoader(file, root, name))
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
