"""LVIS v0.5 and v1."""

from typing import Any

from detectory.data.metadata.lvis import get_lvis_instances_meta
from detectory.data.registration import load_lvis_json

from .dataset import BuiltinDataset
from .root import in_root

# Dataset names and the stems of their annotation files.
_FILES = {
    "lvis_v1_train": "lvis_v1_train",
    "lvis_v1_val": "lvis_v1_val",
    "lvis_v1_test_dev": "lvis_v1_image_info_test_dev",
    "lvis_v1_test_challenge": "lvis_v1_image_info_test_challenge",
    "lvis_v0.5_train": "lvis_v0.5_train",
    "lvis_v0.5_val": "lvis_v0.5_val",
    "lvis_v0.5_val_rand_100": "lvis_v0.5_val_rand_100",
    "lvis_v0.5_test": "lvis_v0.5_image_info_test",
    "lvis_v0.5_train_cocofied": "lvis_v0.5_train_cocofied",
    "lvis_v0.5_val_cocofied": "lvis_v0.5_val_cocofied",
}


def lvis() -> dict[str, BuiltinDataset]:
    """Return the LVIS datasets by name."""
    return {name: _dataset(name, f"lvis/{stem}.json") for name, stem in _FILES.items()}


def _dataset(name: str, file: str) -> BuiltinDataset:
    def metadata() -> dict[str, Any]:
        return {
            **get_lvis_instances_meta(name),
            "json_file": in_root(file),
            "image_root": in_root("coco"),
            "evaluator_type": "lvis",
        }

    return BuiltinDataset(lambda: load_lvis_json(in_root(file), in_root("coco"), name), metadata)
