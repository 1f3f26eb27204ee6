"""COCO 2014 and 2017: instances, keypoints and panoptic segmentation."""

from collections.abc import Callable
from typing import Any

from detectory.data.formats.panoptic.reader import load_coco_panoptic_json
from detectory.data.formats.semantic import load_sem_seg
from detectory.data.metadata.coco import (
    coco_instances_metadata,
    coco_panoptic_separated_metadata,
    coco_panoptic_standard_metadata,
    coco_person_metadata,
)
from detectory.data.metadata.panoptic import panoptic_metadata, semantic_metadata, separated_metadata
from detectory.data.registration import load_coco, load_separated

from .dataset import BuiltinDataset
from .root import in_root

_SPLITS = {
    "2014": ("train", "val", "minival", "valminusminival"),
    "2017": ("train", "val", "val_100"),
}


def coco_instances() -> dict[str, BuiltinDataset]:
    """Return the datasets of boxes, masks and keypoints by name."""
    datasets = {}
    for year, splits in _SPLITS.items():
        for split in splits:
            images = f"coco/{'train' if split == 'train' else 'val'}{year}"
            stem = "val2017_100" if split == "val_100" else f"{split}{year}"
            name = f"coco_{year}_{split}"
            file = f"coco/annotations/instances_{stem}.json"
            datasets[name] = _instances(name, images, file, coco_instances_metadata)
            name, file = f"keypoints_{name}", f"coco/annotations/person_keypoints_{stem}.json"
            datasets[name] = _instances(name, images, file, coco_person_metadata)
    for split in ("test", "test-dev"):
        name, file = f"coco_2017_{split}", f"coco/annotations/image_info_{split}2017.json"
        datasets[name] = _instances(name, "coco/test2017", file, coco_instances_metadata)
    return datasets


def coco_panoptic() -> dict[str, BuiltinDataset]:
    """Return the panoptic datasets by name, each in three forms: standard, separated and stuff only."""
    datasets = {}
    for split in ("train2017", "val2017", "val2017_100"):
        datasets.update(
            _panoptic(
                name=f"coco_2017_{split.replace('2017', '')}_panoptic",
                images=f"coco/{split.removesuffix('_100')}",
                segments=f"coco/panoptic_{split}",
                file=f"coco/annotations/panoptic_{split}.json",
                stuff=f"coco/panoptic_stuff_{split}",
                instances=f"coco/annotations/instances_{split}.json",
            )
        )
    return datasets


def _instances(name: str, images: str, file: str, classes: Callable[[], dict[str, Any]]) -> BuiltinDataset:
    def metadata() -> dict[str, Any]:
        return {
            **classes(),
            "json_file": in_root(file),
            "image_root": in_root(images),
            "evaluator_type": "coco",
        }

    return BuiltinDataset(lambda: load_coco(in_root(file), in_root(images), name), metadata)


def _panoptic(
    *, name: str, images: str, segments: str, file: str, stuff: str, instances: str
) -> dict[str, BuiltinDataset]:
    separated = f"{name}_separated"

    def load() -> list[Any]:
        ids = coco_panoptic_standard_metadata()
        return load_coco_panoptic_json(in_root(file), in_root(images), in_root(segments), ids)

    def metadata() -> dict[str, Any]:
        paths = (in_root(path) for path in (images, segments, file, instances))
        return panoptic_metadata(coco_panoptic_standard_metadata(), *paths)

    def load_both() -> list[Any]:
        return load_separated(separated, in_root(images), in_root(stuff), in_root(instances))

    def metadata_of_both() -> dict[str, Any]:
        paths = (in_root(path) for path in (images, segments, file, stuff, instances))
        return separated_metadata(coco_panoptic_separated_metadata(), *paths)

    def load_stuff() -> list[Any]:
        return load_sem_seg(in_root(stuff), in_root(images))

    def metadata_of_stuff() -> dict[str, Any]:
        return semantic_metadata(coco_panoptic_separated_metadata(), in_root(images), in_root(stuff))

    return {
        name: BuiltinDataset(load, metadata),
        separated: BuiltinDataset(load_both, metadata_of_both),
        f"{name}_stuffonly": BuiltinDataset(load_stuff, metadata_of_stuff),
    }
