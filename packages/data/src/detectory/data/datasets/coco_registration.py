"""Register files in COCO's format; large ones are loaded through an index."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from detectory.data.catalog import DatasetCatalog, MetadataCatalog

from .coco import load_coco_json
from .coco_index import open_coco_index

# Files from this size on are indexed: parsing them takes seconds, and their records hundreds of megabytes.
INDEX_FROM_BYTES = 32 << 20


def load_coco(json_file: str, image_root: str, dataset_name: str) -> Sequence[dict[str, Any]]:
    """Load a COCO file as a list of records, or as a list-like index where the file is large."""
    if os.path.isfile(json_file) and os.path.getsize(json_file) >= INDEX_FROM_BYTES:
        return open_coco_index(json_file, image_root, dataset_name)
    return load_coco_json(json_file, image_root, dataset_name)


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
