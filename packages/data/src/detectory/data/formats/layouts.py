"""Detection of annotation files and folders, and of their formats."""

import mmap
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detectory.data.images.folders import IMAGE_SUFFIXES

from .yolo.class_names import yolo_class_names

# Prefixes of JSON file names that are followed by the name of the split.
_PREFIXES = ("instances_", "person_keypoints_", "image_info_", "panoptic_", "lvis_v1_", "lvis_v0.5_", "lvis_")
_VOC_SPLITS = ("trainval", "train", "val", "test")


@dataclass(frozen=True)
class Source:
    """Annotations of one dataset or split.

    Attributes:
        format: `"registered"`, `"coco"`, `"lvis"`, `"panoptic"`, `"voc"`, `"yolo"`, `"labelme"` or `"records"` (a JSON
            file of records in the standard format).
        path: The annotation file or folder, or the name of a registered dataset.
        images: The image folder, or None if unknown.
        split: `"train"`, `"val"`, …, or empty if unknown.
    """

    format: str
    path: Path
    images: Path | None = None
    split: str = ""

    @property
    def has_named_split(self) -> bool:
        """Whether `path` contains several splits, so that sources are distinguished by the name of the split."""
        return bool(self.split) and self.format in ("voc", "yolo")

    def __str__(self) -> str:
        return f"{self.path} ({self.format}{f', {self.split}' if self.has_named_split else ''})"


def sources_of_file(file: Path, image_root: Path | None) -> list[Source]:
    """Return the source of an annotation file: JSON in any known format, or an XML file of a Pascal VOC folder."""
    if file.suffix.lower() == ".xml":
        return [Source("voc", file.parent)]
    file_format = json_format(file)
    if file_format == "labelme":
        return [Source("labelme", file.parent)]
    return [Source(file_format, file, image_root, split_of(file))]


def sources_of_folder(folder: Path, image_root: Path | None) -> list[Source]:
    """Return the sources in a folder, one per annotation file or split; empty if no format is recognized."""
    return _voc_sources(folder) or _yolo_sources(folder) or _json_sources(folder, image_root)


def split_of(file: Path) -> str:
    """Return the split in the name of an annotation file: `val2017` for `instances_val2017.json`."""
    stem = file.stem
    for prefix in _PREFIXES:
        stem = stem.removeprefix(prefix)
    return stem


def json_format(file: Path) -> str:
    """Return the format of a JSON file by searching for keys that only one format has. The file is not parsed."""
    with open(file, "rb") as opened:
        if os.fstat(opened.fileno()).st_size == 0:  # an empty file cannot be mapped
            return "coco"
        with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as text:
            if text[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
                return "records"
            if text.find(b'"segments_info"') >= 0:
                return "panoptic"
            if text.find(b'"neg_category_ids"') >= 0:
                return "lvis"
            return "labelme" if text.find(b'"imagePath"') >= 0 and text.find(b'"shapes"') >= 0 else "coco"


def _voc_sources(folder: Path) -> list[Source]:
    lists = sorted((folder / "ImageSets" / "Main").glob("*.txt"))
    if lists and (folder / "Annotations").is_dir():
        # The folder also contains lists per class, such as aeroplane_train.txt.
        splits = [name for name in _VOC_SPLITS if folder / "ImageSets" / "Main" / f"{name}.txt" in lists]
        return [Source("voc", folder, split=split) for split in splits or [file.stem for file in lists]]
    if any((folder / "Annotations").glob("*.xml")) or any(folder.glob("*.xml")):
        return [Source("voc", folder)]
    return []


def _yolo_sources(folder: Path) -> list[Source]:
    sources = []
    for labels in [folder / "labels", *sorted(folder.glob("*/labels"))]:
        images = labels.parent / "images"
        if not labels.is_dir() or not images.is_dir():
            continue
        splits = sorted(part for part in images.iterdir() if part.is_dir() and (labels / part.name).is_dir())
        sources += [Source("yolo", labels / part.name, part, part.name) for part in splits]
        if not splits:
            sources.append(Source("yolo", labels, images, labels.parent.name if labels.parent != folder else ""))
    if sources:
        return sources
    label_stems = {file.stem for file in folder.glob("*.txt")}
    if any(file.stem in label_stems and file.suffix.lower() in IMAGE_SUFFIXES for file in folder.iterdir()):
        return [Source("yolo", folder, folder)]
    return []


def _json_sources(folder: Path, image_root: Path | None) -> list[Source]:
    for part in (folder / "annotations", folder):
        formats = {file: json_format(file) for file in sorted(part.glob("*.json"))}
        if formats and all(file_format == "labelme" for file_format in formats.values()):
            return [Source("labelme", part)]
        if formats:
            return [
                Source(file_format, file, image_root, split_of(file))
                for file, file_format in formats.items()
                if file_format != "labelme"
            ]
    # LabelMe files are next to their images, so every split has its folder.
    parts = [part for part in sorted(folder.iterdir()) if part.is_dir()]
    return [Source("labelme", part, split=part.name) for part in parts if _is_labelme(part)]


def _is_labelme(folder: Path) -> bool:
    file = next(iter(sorted(folder.glob("*.json"))), None)
    return file is not None and json_format(file) == "labelme"


def find_image_root(file: Path, names: Sequence[str]) -> Path:
    """Guess the image folder of an annotation file from common layouts.

    Args:
        file: The annotation file.
        names: File names of images. Only the first ten are used.

    Returns:
        The first candidate that contains one of the images, otherwise the first one that exists.
    """
    split, parent = split_of(file), file.parent.parent
    candidates = [
        parent / split,
        parent / "images" / split,
        parent / "images",
        parent,
        file.parent / split,
        file.parent / "images",
        file.parent,
        parent.parent / "coco",
    ]
    for folder in candidates:
        if any((folder / name).is_file() for name in names[:10]):
            return folder
    return next((folder for folder in candidates if folder.is_dir()), file.parent)


def panoptic_folders(source: Source, annotations: Iterable[Any]) -> tuple[Path, Path]:
    """Return the image folder and the folder of the PNG files of a panoptic annotation file."""
    names = [str(annotation.get("file_name")) for annotation in annotations if isinstance(annotation, Mapping)][:10]
    segments = source.path.parent / source.path.stem
    if not segments.is_dir():
        segments = source.path.parent.parent / source.path.stem
    if not segments.is_dir():
        segments = find_image_root(source.path, names)
    image_names = [str(Path(name).with_suffix(".jpg")) for name in names]
    return source.images or find_image_root(source.path, image_names), segments


def find_yolo_class_names(source: Source) -> list[str]:
    """Return the class names of a YOLO source, from its folder or one of the three folders above.

    Raises:
        FileNotFoundError: If no file contains the class names.
    """
    for folder in [source.path, *list(source.path.parents)[:3]]:
        names = yolo_class_names(folder)
        if names is not None:
            return names
    raise FileNotFoundError(
        f"{source.path}: class names not found, expected a YAML file with the key 'names', classes.txt or obj.names in "
        "this folder or one of the three folders above"
    )
