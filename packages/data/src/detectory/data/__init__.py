"""Dataset catalogs, readers, augmentations, samplers and loaders."""

from __future__ import annotations

from . import check, datasets, detection, samplers, sources, transforms
from .catalog import DatasetCatalog, Metadata, MetadataCatalog
from .faults import DatasetError, Fault
from .grouping import AspectRatioGroupedDataset
from .loaders import (
    build_batch_data_loader,
    build_detection_test_loader,
    build_detection_train_loader,
    trivial_batch_collator,
)
from .mapper import DatasetMapper
from .mixing import CopyPaste, MixingMapper, MixUp, Mosaic
from .selection import (
    filter_images_with_few_keypoints,
    filter_images_with_only_crowd_annotations,
    get_detection_dataset_dicts,
    load_proposals_into_dataset,
    print_instances_class_histogram,
)
from .sequences import DatasetFromList, MapDataset, PackedList, ToIterableDataset
from .skipping import SkipFaults
from .train_loader import TrainLoader

__all__ = [
    "AspectRatioGroupedDataset",
    "CopyPaste",
    "DatasetCatalog",
    "DatasetError",
    "DatasetFromList",
    "DatasetMapper",
    "Fault",
    "MapDataset",
    "Metadata",
    "MetadataCatalog",
    "MixUp",
    "MixingMapper",
    "Mosaic",
    "PackedList",
    "SkipFaults",
    "ToIterableDataset",
    "TrainLoader",
    "build_batch_data_loader",
    "build_detection_test_loader",
    "build_detection_train_loader",
    "check",
    "datasets",
    "detection",
    "filter_images_with_few_keypoints",
    "filter_images_with_only_crowd_annotations",
    "get_detection_dataset_dicts",
    "load_proposals_into_dataset",
    "print_instances_class_histogram",
    "samplers",
    "sources",
    "transforms",
    "trivial_batch_collator",
]
