"""Dataset catalogs, readers, augmentations, samplers and loaders.

The parts that use torch (loaders, mappers, samplers, augmentations) are imported with their first use, so that
programs that read, check or convert annotations start without torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

from . import builtin, formats, validation
from .catalog import DatasetCatalog, Metadata, MetadataCatalog
from .problems import DatasetError, Problem
from .registration import (
    register_coco_instances,
    register_coco_panoptic,
    register_coco_panoptic_separated,
    register_lvis_instances,
    register_pascal_voc,
)

if TYPE_CHECKING:
    from . import images, mapping, samplers, transforms
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
    from .selection import (
        filter_images_with_few_keypoints,
        filter_images_with_only_crowd_annotations,
        get_detection_dataset_dicts,
        load_proposals_into_dataset,
        print_instances_class_histogram,
    )

#: Public name -> module that is imported with its first use.
_MODULES = {
    "AspectRatioGroupedDataset": "loader",
    "CopyPaste": "mapping",
    "DatasetFromList": "lists",
    "DatasetMapper": "mapping",
    "MapDataset": "lists",
    "MixUp": "mapping",
    "MixingMapper": "mapping",
    "Mosaic": "mapping",
    "PackedList": "lists",
    "SkipBadSamples": "mapping",
    "ToIterableDataset": "lists",
    "TrainLoader": "loader",
    "build_batch_data_loader": "loader",
    "build_detection_test_loader": "loader",
    "build_detection_train_loader": "loader",
    "filter_images_with_few_keypoints": "selection",
    "filter_images_with_only_crowd_annotations": "selection",
    "get_detection_dataset_dicts": "selection",
    "load_proposals_into_dataset": "selection",
    "print_instances_class_histogram": "selection",
    "trivial_batch_collator": "loader",
}
_SUBPACKAGES = {"images", "mapping", "samplers", "transforms"}

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


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _MODULES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
