"""ADE20K: semantic and panoptic segmentation."""

from typing import Any

from detectory.data.formats.panoptic.reader import load_coco_panoptic_json
from detectory.data.formats.semantic import load_sem_seg
from detectory.data.metadata.ade20k import ade20k_panoptic_metadata, ade20k_semantic_metadata
from detectory.data.metadata.panoptic import panoptic_metadata, semantic_metadata

from .dataset import BuiltinDataset
from .root import in_root

_FOLDERS = {"train": "training", "val": "validation"}


def ade20k() -> dict[str, BuiltinDataset]:
    """Return the ADE20K datasets by name."""
    datasets = {}
    for split, folder in _FOLDERS.items():
        datasets[f"ade20k_sem_seg_{split}"] = _semantic(folder)
        datasets[f"ade20k_panoptic_{split}"] = _panoptic(split, folder)
    return datasets


def _semantic(folder: str) -> BuiltinDataset:
    images = f"ADEChallengeData2016/images/{folder}"
    labels = f"ADEChallengeData2016/annotations_detectron2/{folder}"

    def metadata() -> dict[str, Any]:
        return semantic_metadata(ade20k_semantic_metadata(), in_root(images), in_root(labels))

    return BuiltinDataset(lambda: load_sem_seg(in_root(labels), in_root(images)), metadata)


def _panoptic(split: str, folder: str) -> BuiltinDataset:
    images = f"ADEChallengeData2016/images/{folder}"
    segments = f"ADEChallengeData2016/ade20k_panoptic_{split}"
    file = f"{segments}.json"

    def load() -> list[Any]:
        ids = ade20k_panoptic_metadata()
        return load_coco_panoptic_json(in_root(file), in_root(images), in_root(segments), ids)

    def metadata() -> dict[str, Any]:
        return {
            **panoptic_metadata(ade20k_panoptic_metadata(), in_root(images), in_root(segments), in_root(file), None),
            "evaluator_type": "ade20k_panoptic_seg",
        }

    return BuiltinDataset(load, metadata)
