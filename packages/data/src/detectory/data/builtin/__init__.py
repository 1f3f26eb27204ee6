"""Built-in datasets. Importing this package adds them to `DatasetCatalog` and `MetadataCatalog`.

The catalogs build the list of datasets at the first lookup. No file is read before a dataset is loaded.
"""

from collections.abc import Callable, Sequence
from typing import Any

from detectory.data.catalog import DatasetCatalog, MetadataCatalog

from .ade20k import ade20k
from .cityscapes import cityscapes
from .coco import coco_instances, coco_panoptic
from .dataset import BuiltinDataset
from .lvis import lvis
from .root import datasets_root, with_root
from .voc import pascal_voc

__all__ = [
    "BuiltinDataset",
    "builtin_datasets",
    "datasets_root",
    "with_root",
]


def builtin_datasets() -> dict[str, BuiltinDataset]:
    """Return the built-in datasets by name."""
    return {
        **coco_instances(),
        **coco_panoptic(),
        **lvis(),
        **pascal_voc(),
        **cityscapes(),
        **ade20k(),
    }


def _loaders() -> dict[str, Callable[[], Sequence[Any]]]:
    return {name: dataset.load for name, dataset in builtin_datasets().items()}


def _metadata(name: str) -> dict[str, Any]:
    dataset = builtin_datasets().get(name)
    return {} if dataset is None else dataset.metadata()


def _is_replaceable(name: str) -> bool:
    """Return whether the metadata of a dataset may be replaced: Detectron2's projects register these names."""
    return name.startswith("ade20k_panoptic_")


DatasetCatalog.add_provider(_loaders)
MetadataCatalog.add_provider(_metadata, _is_replaceable)
