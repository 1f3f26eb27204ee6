"""The datasets that are known without registration, and where their files are expected."""

import os
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple, TypeVar

from detectory.data.formats.cityscapes import (
    cityscapes_metadata,
    cityscapes_panoptic_metadata,
    load_cityscapes_instances,
    load_cityscapes_panoptic,
    load_cityscapes_semantic,
)
from detectory.data.formats.coco.index import load_coco
from detectory.data.formats.lvis import get_lvis_instances_meta, load_lvis_json
from detectory.data.formats.panoptic.reader import (
    load_coco_panoptic_json,
    load_separated,
    panoptic_metadata,
    separated_metadata,
    stuff_metadata,
)
from detectory.data.formats.semantic import load_sem_seg
from detectory.data.formats.voc.reader import VOC_CLASSES, load_voc_instances, voc_metadata
from detectory.data.metadata import coco as metadata
from detectory.data.metadata.facts import fact_file

Value = TypeVar("Value")

_chosen_root: ContextVar[str | None] = ContextVar("_chosen_root", default=None)


class Builtin(NamedTuple):
    """How one dataset is loaded and described."""

    load: Callable[[], Sequence[dict[str, Any]]]
    describe: Callable[[], dict[str, Any]]


def datasets_root() -> str:
    """Return the folder of the built-in datasets: `$DETECTORY_DATASETS`, `$DETECTRON2_DATASETS` or `datasets`."""
    if (chosen := _chosen_root.get()) is not None:
        return chosen
    root = os.environ.get("DETECTORY_DATASETS") or os.environ.get("DETECTRON2_DATASETS") or "datasets"
    return os.path.expanduser(root)


def below_root(root: str | os.PathLike[str], call: Callable[[], Value]) -> Value:
    """Return what a loader or a description of a built-in dataset gives when the datasets' folder is `root`."""
    token = _chosen_root.set(os.path.expanduser(os.fspath(root)))
    try:
        return call()
    finally:
        _chosen_root.reset(token)


def _below(path: str) -> str:
    return os.path.join(datasets_root(), path)


def _instances(name: str, images: str, file: str, facts: Callable[[], dict[str, Any]]) -> Builtin:
    def describe() -> dict[str, Any]:
        return {**facts(), "json_file": _below(file), "image_root": _below(images), "evaluator_type": "coco"}

    return Builtin(lambda: load_coco(_below(file), _below(images), name), describe)


def _coco() -> dict[str, Builtin]:
    found = {}
    for year, splits in (
        ("2014", ("train", "val", "minival", "valminusminival")),
        ("2017", ("train", "val", "val_100")),
    ):
        for split in splits:
            images = f"coco/{'train' if split == 'train' else 'val'}{year}"
            stem = "val2017_100" if split == "val_100" else f"{split}{year}"
            name = f"coco_{year}_{split}"
            file = f"coco/annotations/instances_{stem}.json"
            found[name] = _instances(name, images, file, metadata.coco_instances_metadata)
            name, file = f"keypoints_{name}", f"coco/annotations/person_keypoints_{stem}.json"
            found[name] = _instances(name, images, file, metadata.coco_person_metadata)
    for split in ("test", "test-dev"):
        name, file = f"coco_2017_{split}", f"coco/annotations/image_info_{split}2017.json"
        found[name] = _instances(name, "coco/test2017", file, metadata.coco_instances_metadata)
    return found


def _coco_panoptic() -> dict[str, Builtin]:
    found = {}
    for split in ("train2017", "val2017", "val2017_100"):
        name = f"coco_2017_{split.replace('2017', '')}_panoptic"
        images = f"coco/{split.removesuffix('_100')}"
        segments, file = f"coco/panoptic_{split}", f"coco/annotations/panoptic_{split}.json"
        stuff, instances = f"coco/panoptic_stuff_{split}", f"coco/annotations/instances_{split}.json"
        found.update(_one_panoptic(name, images, segments, file, stuff, instances))
    return found


def _one_panoptic(name: str, images: str, segments: str, file: str, stuff: str, instances: str) -> dict[str, Builtin]:
    both = f"{name}_separated"

    def load() -> list[dict[str, Any]]:
        maps = metadata.coco_panoptic_standard_metadata()
        return load_coco_panoptic_json(_below(file), _below(images), _below(segments), maps)

    def describe() -> dict[str, Any]:
        facts = metadata.coco_panoptic_standard_metadata()
        return panoptic_metadata(facts, *map(_below, (images, segments, file, instances)))

    def describe_separated() -> dict[str, Any]:
        facts = metadata.coco_panoptic_separated_metadata()
        return separated_metadata(facts, *map(_below, (images, segments, file, stuff, instances)))

    def describe_stuff() -> dict[str, Any]:
        return stuff_metadata(metadata.coco_panoptic_separated_metadata(), _below(images), _below(stuff))

    return {
        name: Builtin(load, describe),
        both: Builtin(
            lambda: load_separated(both, _below(images), _below(stuff), _below(instances)), describe_separated
        ),
        f"{name}_stuffonly": Builtin(lambda: load_sem_seg(_below(stuff), _below(images)), describe_stuff),
    }


LVIS_FILES = {
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


def _one_lvis(name: str, stem: str) -> Builtin:
    file = f"lvis/{stem}.json"

    def describe() -> dict[str, Any]:
        return {
            **get_lvis_instances_meta(name),
            "json_file": _below(file),
            "image_root": _below("coco"),
            "evaluator_type": "lvis",
        }

    return Builtin(lambda: load_lvis_json(_below(file), _below("coco"), name), describe)


def _one_voc(year: int, split: str) -> Builtin:
    folder = f"VOC{year}"
    return Builtin(
        lambda: load_voc_instances(_below(folder), split, VOC_CLASSES),
        lambda: voc_metadata(_below(folder), split, year, VOC_CLASSES),
    )


def _one_cityscapes(split: str) -> dict[str, Builtin]:
    images, labels = f"cityscapes/leftImg8bit/{split}", f"cityscapes/gtFine/{split}"
    segments = f"cityscapes/gtFine/cityscapes_panoptic_{split}"

    def describe(evaluator: str, **more: Any) -> dict[str, Any]:
        facts = cityscapes_metadata()
        return {**facts, "image_dir": _below(images), "gt_dir": _below(labels), "evaluator_type": evaluator, **more}

    def load_panoptic() -> list[dict[str, Any]]:
        maps = cityscapes_panoptic_metadata()
        return load_cityscapes_panoptic(_below(images), _below(segments), f"{_below(segments)}.json", maps)

    def describe_panoptic() -> dict[str, Any]:
        return {
            **cityscapes_panoptic_metadata(),
            "panoptic_root": _below(segments),
            "image_root": _below(images),
            "panoptic_json": f"{_below(segments)}.json",
            "gt_dir": _below("cityscapes/gtFine"),
            "evaluator_type": "cityscapes_panoptic_seg",
            "ignore_label": 255,
            "label_divisor": 1000,
        }

    return {
        f"cityscapes_fine_instance_seg_{split}": Builtin(
            lambda: load_cityscapes_instances(_below(images), _below(labels)), lambda: describe("cityscapes_instance")
        ),
        f"cityscapes_fine_sem_seg_{split}": Builtin(
            lambda: load_cityscapes_semantic(_below(images), _below(labels)),
            lambda: describe("cityscapes_sem_seg", ignore_label=255),
        ),
        f"cityscapes_fine_panoptic_{split}": Builtin(load_panoptic, describe_panoptic),
    }


def _one_ade20k(split: str) -> Builtin:
    folder = {"train": "training", "val": "validation"}[split]
    images, labels = (f"ADEChallengeData2016/{kind}/{folder}" for kind in ("images", "annotations_detectron2"))

    def describe() -> dict[str, Any]:
        return {
            "stuff_classes": [category["name"] for category in fact_file("ade20k_categories.json")],
            "image_root": _below(images),
            "sem_seg_root": _below(labels),
            "evaluator_type": "sem_seg",
            "ignore_label": 255,
        }

    return Builtin(lambda: load_sem_seg(_below(labels), _below(images)), describe)


def _one_ade20k_panoptic(split: str) -> Builtin:
    folder = {"train": "training", "val": "validation"}[split]
    images, segments = f"ADEChallengeData2016/images/{folder}", f"ADEChallengeData2016/ade20k_panoptic_{split}"

    def load() -> list[dict[str, Any]]:
        maps = metadata.ade20k_panoptic_metadata()
        return load_coco_panoptic_json(f"{_below(segments)}.json", _below(images), _below(segments), maps)

    def describe() -> dict[str, Any]:
        facts = metadata.ade20k_panoptic_metadata()
        return {
            **panoptic_metadata(facts, _below(images), _below(segments), f"{_below(segments)}.json", None),
            "evaluator_type": "ade20k_panoptic_seg",
        }

    return Builtin(load, describe)


def all_builtin() -> dict[str, Builtin]:
    """Return all built-in datasets by name; no file is touched."""
    found = {**_coco(), **_coco_panoptic()}
    found.update({name: _one_lvis(name, stem) for name, stem in LVIS_FILES.items()})
    for year in (2007, 2012):
        splits = ("trainval", "train", "val", "test") if year == 2007 else ("trainval", "train", "val")
        found.update({f"voc_{year}_{split}": _one_voc(year, split) for split in splits})
    for split in ("train", "val", "test"):
        found.update(_one_cityscapes(split))
    for split in ("train", "val"):
        found[f"ade20k_sem_seg_{split}"] = _one_ade20k(split)
        found[f"ade20k_panoptic_{split}"] = _one_ade20k_panoptic(split)
    return found


def builtin_loaders() -> dict[str, Callable[[], Sequence[dict[str, Any]]]]:
    """Return the loaders of all built-in datasets by name; nothing is read before one is called."""
    return {name: builtin.load for name, builtin in all_builtin().items()}


def builtin_metadata(name: str) -> dict[str, Any]:
    """Return the metadata of a built-in dataset; empty for other names."""
    builtin = all_builtin().get(name)
    return {} if builtin is None else builtin.describe()


def is_replaceable(name: str) -> bool:
    """Return whether metadata of a built-in dataset may be replaced: Detectron2's projects register these names."""
    return name.startswith("ade20k_panoptic_")
