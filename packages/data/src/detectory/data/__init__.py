"""Dataset catalogs, readers, augmentations, samplers and loaders."""

from . import builtin, formats, images, mapping, samplers, transforms, validation
from .catalog import DatasetCatalog, Metadata, MetadataCatalog
from .lists import DatasetFromList, MapDataset, PackedList, ToIterableDataset
from .loader import (
    AspectRatioGroupedDataset,
    TrainLoader,
    build_batch_data_loader,
    build_detection_test_loader,
    build_detection_train_loader,
    trivial_batch_collator,
)
from .mapping import CopyPaste, DatasetMapper, MixingMapper, MixUp, Mosaic, SkipBadSamples
from .problems import DatasetError, Problem
from .registration import (
    register_coco_instances,
    register_coco_panoptic,
    register_coco_panoptic_separated,
    register_lvis_instances,
    register_pascal_voc,
)
from .selection import (
    filter_images_with_few_keypoints,
    filter_images_with_only_crowd_annotations,
    get_detection_dataset_dicts,
    load_proposals_into_dataset,
    print_instances_class_histogram,
)

__all__ = [
    "AspectRatioGroupedDataset",
    "CopyPaste",
    "DatasetCatalog",
    "DatasetError",
    "DatasetFromList",
    "DatasetMapper",
    "MapDataset",
    "Metadata",
    "MetadataCatalog",
    "MixUp",
    "MixingMapper",
    "Mosaic",
    "PackedList",
    "Problem",
    "SkipBadSamples",
    "ToIterableDataset",
    "TrainLoader",
    "build_batch_data_loader",
    "build_detection_test_loader",
    "build_detection_train_loader",
    "builtin",
    "filter_images_with_few_keypoints",
    "filter_images_with_only_crowd_annotations",
    "formats",
    "get_detection_dataset_dicts",
    "images",
    "load_proposals_into_dataset",
    "mapping",
    "print_instances_class_histogram",
    "register_coco_instances",
    "register_coco_panoptic",
    "register_coco_panoptic_separated",
    "register_lvis_instances",
    "register_pascal_voc",
    "samplers",
    "transforms",
    "trivial_batch_collator",
    "validation",
]
