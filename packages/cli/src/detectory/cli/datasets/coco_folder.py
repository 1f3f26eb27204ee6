"""Finds the parts of a folder in COCO layout: annotation files and the images that each belongs to."""

import json
from dataclasses import dataclass
from pathlib import Path

from detectory.data import DatasetCatalog, MetadataCatalog, register_coco_instances


@dataclass(frozen=True)
class Split:
    """One annotation file and the folder of its images."""

    annotations: Path
    images: Path


@dataclass(frozen=True)
class CocoFolder:
    """A dataset in COCO layout: `annotations/instances_train*.json` beside `train*/`, the same for `val`.

    Attributes:
        train: What to train on.
        val: What to evaluate on.
        classes: Names of the categories, in the order of their contiguous ids.
    """

    train: Split
    val: Split
    classes: tuple[str, ...]

    @classmethod
    def find(cls, folder: Path) -> "CocoFolder":
        """Look into a folder.

        Raises:
            FileNotFoundError: the folder, an annotation file or a folder of images is missing; says what was expected.
            ValueError: an annotation file is no COCO file.
        """
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder}: no such folder")
        train, val = (_find_split(folder, name) for name in ("train", "val"))
        return cls(train, val, _class_names(train.annotations))

    def register(self, name: str) -> tuple[str, str]:
        """Register both splits as datasets `name_train` and `name_val` and return these names.

        What was registered under them before, for another folder of the same name, is forgotten.
        """
        names = f"{name}_train", f"{name}_val"
        for dataset, split in zip(names, (self.train, self.val), strict=True):
            if dataset in DatasetCatalog:
                DatasetCatalog.remove(dataset)
                MetadataCatalog.remove(dataset)
            register_coco_instances(dataset, {}, str(split.annotations), str(split.images))
            MetadataCatalog.get(dataset).thing_classes = list(self.classes)
        return names


def _find_split(folder: Path, name: str) -> Split:
    found = sorted((folder / "annotations").glob(f"instances_{name}*.json"))
    if not found:
        raise FileNotFoundError(f"{folder}: expected annotations/instances_{name}*.json (COCO layout), found none")
    suffix = found[0].stem.removeprefix("instances_")
    for images in (folder / suffix, folder / "images" / suffix, folder / name, folder / "images"):
        if images.is_dir():
            return Split(found[0], images)
    raise FileNotFoundError(
        f"{folder}: found {found[0].name}, but no folder of its images ({suffix}/ or images/{suffix}/)"
    )


def _class_names(annotations: Path) -> tuple[str, ...]:
    try:
        categories = json.loads(annotations.read_text(encoding="utf-8"))["categories"]
        return tuple(category["name"] for category in sorted(categories, key=lambda category: category["id"]))
    except (ValueError, TypeError, LookupError) as error:
        raise ValueError(
            f"{annotations}: no COCO file: expected an object with a list 'categories' of id and name"
        ) from error
