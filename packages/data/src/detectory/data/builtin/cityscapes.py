"""Cityscapes: instance, semantic and panoptic segmentation."""

from typing import Any

from detectory.data.formats.cityscapes import (
    load_cityscapes_instances,
    load_cityscapes_panoptic,
    load_cityscapes_semantic,
)
from detectory.data.metadata.cityscapes import cityscapes_metadata, cityscapes_panoptic_metadata

from .dataset import BuiltinDataset
from .root import in_root


def cityscapes() -> dict[str, BuiltinDataset]:
    """Return the Cityscapes datasets by name."""
    datasets = {}
    for split in ("train", "val", "test"):
        datasets.update(_datasets(split))
    return datasets


def _datasets(split: str) -> dict[str, BuiltinDataset]:
    images, labels = f"cityscapes/leftImg8bit/{split}", f"cityscapes/gtFine/{split}"
    segments = f"cityscapes/gtFine/cityscapes_panoptic_{split}"
    segments_json = f"{segments}.json"

    def load_instances() -> list[Any]:
        return load_cityscapes_instances(in_root(images), in_root(labels))

    def load_semantic() -> list[Any]:
        return load_cityscapes_semantic(in_root(images), in_root(labels))

    def load_panoptic() -> list[Any]:
        ids = cityscapes_panoptic_metadata()
        return load_cityscapes_panoptic(in_root(images), in_root(segments), in_root(segments_json), ids)

    def metadata(evaluator: str) -> dict[str, Any]:
        return {
            **cityscapes_metadata(),
            "image_dir": in_root(images),
            "gt_dir": in_root(labels),
            "evaluator_type": evaluator,
        }

    def instances_metadata() -> dict[str, Any]:
        return metadata("cityscapes_instance")

    def semantic_metadata() -> dict[str, Any]:
        return {**metadata("cityscapes_sem_seg"), "ignore_label": 255}

    def panoptic_metadata() -> dict[str, Any]:
        return {
            **cityscapes_panoptic_metadata(),
            "panoptic_root": in_root(segments),
            "image_root": in_root(images),
            "panoptic_json": in_root(segments_json),
            "gt_dir": in_root("cityscapes/gtFine"),
            "evaluator_type": "cityscapes_panoptic_seg",
            "ignore_label": 255,
            "label_divisor": 1000,
        }

    return {
        f"cityscapes_fine_instance_seg_{split}": BuiltinDataset(load_instances, instances_metadata),
        f"cityscapes_fine_sem_seg_{split}": BuiltinDataset(load_semantic, semantic_metadata),
        f"cityscapes_fine_panoptic_{split}": BuiltinDataset(load_panoptic, panoptic_metadata),
    }
