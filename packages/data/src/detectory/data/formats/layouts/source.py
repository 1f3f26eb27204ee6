"""Annotation sources: one annotation file or one split of a folder."""

import re
from dataclasses import dataclass
from pathlib import Path

# Prefixes of JSON file names that are followed by the name of the split.
_PREFIXES = ("instances_", "person_keypoints_", "image_info_", "panoptic_", "lvis_v1_", "lvis_v0.5_", "lvis_")
# Tools name the splits differently; the keys are names of folders or files.
_SPLIT_NAMES = {"valid": "val", "validation": "val", "training": "train", "testing": "test", "default": ""}
_FORMATS_WITH_SPLITS = ("voc", "yolo", "voc-masks")
_SPLIT_NAME = re.compile(r"(train|training|trainval|val|valid|validation|test|testing)([-_]?(dev)?\d*)")
# Names of annotation files that say nothing about the split.
_NEUTRAL_STEMS = ("_annotations.coco", "_annotations", "annotations", "labels", "result", "via_project", "default")


@dataclass(frozen=True)
class Source:
    """Annotations of one dataset or split.

    Attributes:
        format: `"registered"`, `"coco"`, `"lvis"`, `"panoptic"`, `"voc"`, `"yolo"`, `"labelme"`, `"cvat"`, `"via"`,
            `"datumaro"`, `"csv"`, `"masks"`, `"dota"`, `"voc-masks"` or `"records"` (a JSON file of records in the
            standard format).
        path: The annotation file or folder, or the name of a registered dataset.
        images: The image folder, or None if unknown.
        split: `"train"`, `"val"`, …, or empty if unknown.
        list_file: YOLO: the text file with the images of the split, or None for all images of the folder.
    """

    format: str
    path: Path
    images: Path | None = None
    split: str = ""
    list_file: Path | None = None

    @property
    def has_named_split(self) -> bool:
        """Whether `path` contains several splits, so that sources are distinguished by the name of the split."""
        return bool(self.split) and self.format in _FORMATS_WITH_SPLITS

    @property
    def segmentation_list(self) -> Path | None:
        """The list in `ImageSets/Segmentation` of a source with the format "voc-masks", or None for all masks."""
        file = self.path / "ImageSets" / "Segmentation" / f"{self.split or 'default'}.txt"
        return file if file.is_file() else None

    @property
    def voc_list(self) -> str | None:
        """The list in `ImageSets/Main` of a Pascal VOC source, or None if all XML files belong to the source."""
        is_listed = self.split and (self.path / "ImageSets" / "Main" / f"{self.split}.txt").is_file()
        return self.split if is_listed else None

    def __str__(self) -> str:
        return f"{self.path} ({self.format}{f', {self.split}' if self.has_named_split else ''})"


def split_of(file: Path) -> str:
    """Return the split in the name of an annotation file: `val2017` for `instances_val2017.json`.

    For file names that are the same in every split, such as `_annotations.coco.json`, return the name of the folder if
    the folder is named like a split, otherwise an empty string.
    """
    stem = file.stem
    for prefix in _PREFIXES:
        stem = stem.removeprefix(prefix)
    if stem not in _NEUTRAL_STEMS:
        return split_name(stem)
    return split_name(file.parent.name) if is_split_name(file.parent.name) else ""


def split_name(name: str) -> str:
    """Return the usual name of a split: `val` for `valid` and `validation`."""
    return _SPLIT_NAMES.get(name.lower(), name)


def is_split_name(name: str) -> bool:
    """Return whether a folder is named like a split: `train`, `valid`, `test2017`, …."""
    return _SPLIT_NAME.fullmatch(name.lower()) is not None
