"""Find out what a path or a name stands for, whatever the format, and load it."""

import mmap
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detectory.data.catalog import DatasetCatalog, Metadata, MetadataCatalog
from detectory.data.formats.coco.index import INDEX_FROM_BYTES, open_coco_index
from detectory.data.formats.coco.reader import load_coco_json
from detectory.data.formats.labelme.reader import load_labelme
from detectory.data.formats.panoptic.reader import load_coco_panoptic_json
from detectory.data.formats.voc.reader import load_voc_instances, voc_class_names
from detectory.data.formats.yolo.reader import load_yolo, yolo_class_names
from detectory.data.images.folders import IMAGE_SUFFIXES
from detectory.data.problems import DatasetError, Problem

from .json_file import read_json
from .lvis import load_lvis_json

#: What a JSON file's name may have before the name of its split.
STEMS = ("instances_", "person_keypoints_", "image_info_", "panoptic_", "lvis_v1_", "lvis_v0.5_", "lvis_")
_VOC_SPLITS = ("trainval", "train", "val", "test")


@dataclass(frozen=True)
class Source:
    """One set of annotations.

    Attributes:
        format: `"registered"`, `"coco"`, `"lvis"`, `"panoptic"`, `"voc"`, `"yolo"`, `"labelme"` or
            `"records"` (a JSON file of dataset dicts).
        path: The annotation file or folder; the name of a registered dataset.
        images: The folder of its images; None where it is to be looked for.
        split: `"train"`, `"val"`, …; may be empty.
    """

    format: str
    path: Path
    images: Path | None = None
    split: str = ""

    def __str__(self) -> str:
        return (
            f"{self.path} ({self.format}{f', {self.split}' if self.split and self.format in ('voc', 'yolo') else ''})"
        )


def find_sources(path: str | os.PathLike[str], image_root: str | os.PathLike[str] | None = None) -> list[Source]:
    """Find the annotations that a path holds.

    Args:
        path: The name of a registered dataset; a JSON file in COCO's, LVIS's or COCO's panoptic format, or with dataset
            dicts; a folder with such files in it or in its `annotations`; a Pascal VOC, YOLO or LabelMe folder.
        image_root: The folder of the images of JSON files; by default it is looked for.

    Returns:
        One source for each annotation file or split.

    Raises:
        FileNotFoundError: Nothing is there, or nothing that is known.
    """
    place, root = Path(path), None if image_root is None else Path(image_root)
    if place.is_file():
        if place.suffix.lower() == ".xml":
            return [Source("voc", place.parent)]
        kind = json_format(place)
        return [Source("labelme", place.parent) if kind == "labelme" else Source(kind, place, root, split_of(place))]
    if not place.is_dir():
        if str(path) in DatasetCatalog:
            return [Source("registered", place)]
        raise FileNotFoundError(f"{path}: no such file or folder, and no registered dataset")
    for find in (_voc_sources, _yolo_sources, _json_sources):
        found = find(place, root)
        if found:
            return found
    raise FileNotFoundError(
        f"{path}: no dataset found: expected annotations/*.json or *.json (COCO, LVIS, panoptic, LabelMe), "
        "Annotations/*.xml (Pascal VOC) or labels/*.txt beside images/ (YOLO)"
    )


def split_of(file: Path) -> str:
    """Take the split out of an annotation file's name: `val2017` of `instances_val2017.json`."""
    stem = file.stem
    for beginning in STEMS:
        stem = stem.removeprefix(beginning)
    return stem


def json_format(file: Path) -> str:
    """Tell a JSON file's format by keys that only one format has; nothing is parsed."""
    with open(file, "rb") as opened:
        if os.fstat(opened.fileno()).st_size == 0:
            return "coco"
        with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as text:
            if text[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
                return "records"
            if text.find(b'"segments_info"') >= 0:
                return "panoptic"
            if text.find(b'"neg_category_ids"') >= 0:
                return "lvis"
            return "labelme" if text.find(b'"imagePath"') >= 0 and text.find(b'"shapes"') >= 0 else "coco"


def _voc_sources(folder: Path, _: Path | None) -> list[Source]:
    lists = sorted((folder / "ImageSets" / "Main").glob("*.txt"))
    if lists and (folder / "Annotations").is_dir():
        # Beside the splits VOC has lists of each class.
        splits = [name for name in _VOC_SPLITS if folder / "ImageSets" / "Main" / f"{name}.txt" in lists]
        return [Source("voc", folder, split=split) for split in splits or [file.stem for file in lists]]
    if any((folder / "Annotations").glob("*.xml")) or any(folder.glob("*.xml")):
        return [Source("voc", folder)]
    return []


def _yolo_sources(folder: Path, _: Path | None) -> list[Source]:
    found = []
    for labels in [folder / "labels", *sorted(folder.glob("*/labels"))]:
        images = labels.parent / "images"
        if not labels.is_dir() or not images.is_dir():
            continue
        splits = sorted(part for part in images.iterdir() if part.is_dir() and (labels / part.name).is_dir())
        found += [Source("yolo", labels / part.name, part, part.name) for part in splits]
        if not splits:
            found.append(Source("yolo", labels, images, labels.parent.name if labels.parent != folder else ""))
    texts = {file.stem for file in folder.glob("*.txt")}
    if not found and any(file.stem in texts and file.suffix.lower() in IMAGE_SUFFIXES for file in folder.iterdir()):
        found.append(Source("yolo", folder, folder))
    return found


def _json_sources(folder: Path, image_root: Path | None) -> list[Source]:
    for part in (folder / "annotations", folder):
        kinds = {file: json_format(file) for file in sorted(part.glob("*.json"))}
        if kinds and all(kind == "labelme" for kind in kinds.values()):
            return [Source("labelme", part)]
        if kinds:
            return [Source(kind, file, image_root, split_of(file)) for file, kind in kinds.items() if kind != "labelme"]
    # LabelMe's files lie beside the images, so that each split is a folder.
    parts = [part for part in sorted(folder.iterdir()) if part.is_dir()]
    return [Source("labelme", part, split=part.name) for part in parts if _is_labelme(part)]


def _is_labelme(folder: Path) -> bool:
    file = next(iter(sorted(folder.glob("*.json"))), None)
    return file is not None and json_format(file) == "labelme"


def find_image_root(file: Path, names: Sequence[str]) -> Path:
    """Guess the folder of the images that an annotation file names, from common layouts.

    Args:
        file: The annotation file.
        names: Some of the images' names; the first folder that has one of the first ten is taken, else the most likely
            that exists.
    """
    split, above = split_of(file), file.parent.parent
    folders = [above / split, above / "images" / split, above / "images", above, file.parent / split]
    folders += [file.parent / "images", file.parent, above.parent / "coco"]
    for folder in folders:
        if any((folder / name).is_file() for name in names[:10]):
            return folder
    return next((folder for folder in folders if folder.is_dir()), file.parent)


def load_source(source: Source) -> tuple[Sequence[dict[str, Any]], Metadata]:
    """Load the records of a source, with contiguous category ids, and what is known about them.

    The metadata of a path stand in the catalog under the path, anew at every call.

    Raises:
        DatasetError: The annotations break the rules of their format; the message names file, id and field.
    """
    if source.format == "registered":
        name = str(source.path)
        return DatasetCatalog.get(name), MetadataCatalog.get(name)
    name = f"{source.path}{f':{source.split}' if source.format in ('voc', 'yolo') else ''}"
    if name in MetadataCatalog:
        MetadataCatalog.remove(name)
    metadata = MetadataCatalog.get(name)
    records = _LOADERS[source.format](source, metadata)
    return records, metadata


def _coco(source: Source, metadata: Metadata) -> Sequence[dict[str, Any]]:
    file = source.path
    if file.stat().st_size < INDEX_FROM_BYTES:
        return _below_root(load_coco_json(file, "", metadata.name), source)
    names = [record["file_name"] for record in open_coco_index(file, "", metadata.name)[:10]]
    return open_coco_index(file, source.images or find_image_root(file, names), metadata.name)


def _lvis(source: Source, metadata: Metadata) -> list[dict[str, Any]]:
    return _below_root(load_lvis_json(source.path, "", metadata.name), source)


def _below_root(records: list[dict[str, Any]], source: Source) -> list[dict[str, Any]]:
    root = source.images or find_image_root(source.path, [record["file_name"] for record in records[:10]])
    for record in records:
        record["file_name"] = os.path.join(root, record["file_name"])
    return records


def panoptic_folders(source: Source, annotations: Iterable[Any]) -> tuple[Path, Path]:
    """Find the folders of photos and of panoptic PNG files of a panoptic annotation file."""
    names = [str(one.get("file_name")) for one in annotations if isinstance(one, dict)][:10]
    segments = source.path.parent / source.path.stem
    if not segments.is_dir():
        segments = source.path.parent.parent / source.path.stem
    if not segments.is_dir():
        segments = find_image_root(source.path, names)
    photos = [str(Path(name).with_suffix(".jpg")) for name in names]
    return source.images or find_image_root(source.path, photos), segments


def panoptic_maps(categories: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Number a panoptic file's categories in the order of their ids, things and stuff together."""
    ordered = sorted(categories, key=lambda category: category["id"])
    names = [category["name"] for category in ordered]
    numbers = {category["id"]: number for number, category in enumerate(ordered)}
    maps = {
        f"{kind}_dataset_id_to_contiguous_id": {
            category["id"]: numbers[category["id"]]
            for category in ordered
            if bool(category.get("isthing")) == (kind == "thing")
        }
        for kind in ("thing", "stuff")
    }
    facts: dict[str, Any] = {"thing_classes": names, "stuff_classes": list(names), **maps}
    if all("color" in category for category in ordered):
        facts["thing_colors"] = facts["stuff_colors"] = [tuple(category["color"]) for category in ordered]
    return facts


def _panoptic(source: Source, metadata: Metadata) -> list[dict[str, Any]]:
    content = read_json(source.path)
    photos, segments = panoptic_folders(source, content.get("annotations") or [])
    metadata.set(**panoptic_maps(content.get("categories") or []))
    return load_coco_panoptic_json(source.path, photos, segments, metadata.as_dict())


def _voc(source: Source, metadata: Metadata) -> list[dict[str, Any]]:
    split = source.split or None
    names = voc_class_names(source.path, split)
    metadata.thing_classes = names
    return load_voc_instances(source.path, split, names)


def yolo_names(source: Source) -> list[str]:
    """Find the classes of a YOLO source in its folder or the three above.

    Raises:
        FileNotFoundError: No file tells them.
    """
    folders = [source.path, *list(source.path.parents)[:3]]
    for folder in folders:
        names = yolo_class_names(folder)
        if names is not None:
            return names
    raise FileNotFoundError(
        f"{source.path}: no names of classes: expected a .yaml with names, classes.txt or obj.names there or above"
    )


def _yolo(source: Source, metadata: Metadata) -> list[dict[str, Any]]:
    metadata.thing_classes = yolo_names(source)
    return load_yolo(source.images or source.path, source.path, metadata.thing_classes)


def _labelme(source: Source, metadata: Metadata) -> list[dict[str, Any]]:
    records, metadata.thing_classes = load_labelme(source.path)
    return records


def _records(source: Source, metadata: Metadata) -> list[dict[str, Any]]:
    """Dataset dicts as JSON; a relative file name starts at the file's folder."""
    records = read_json(source.path)
    for number, record in enumerate(records):
        if not isinstance(record, dict) or not isinstance(record.get("file_name"), str):
            got = "a dict without it" if isinstance(record, dict) else type(record).__name__
            problem = f"expected a list of dataset dicts with a file_name (a COCO file is an object), got {got}"
            raise DatasetError(Problem(str(source.path), f"record {number}", "file_name", problem))
        record["file_name"] = os.path.join(source.images or source.path.parent, record["file_name"])
    ids = {one.get("category_id") for record in records for one in record.get("annotations", [])}
    numbers = [number for number in ids if isinstance(number, int)]
    metadata.thing_classes = [f"class {number}" for number in range(max(numbers, default=-1) + 1)]
    return records


_LOADERS: dict[str, Any] = {
    "coco": _coco,
    "lvis": _lvis,
    "panoptic": _panoptic,
    "voc": _voc,
    "yolo": _yolo,
    "labelme": _labelme,
    "records": _records,
}
