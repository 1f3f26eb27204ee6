"""Loading of datasets from a path or a name, in any supported format."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .catalog import DatasetCatalog, Metadata, MetadataCatalog
from .formats.coco.index import open_coco_index
from .formats.coco.reader import LoadedDataset, read_coco
from .formats.json_file import read_json
from .formats.labelme.reader import load_labelme
from .formats.layouts import (
    Source,
    find_image_root,
    find_yolo_class_names,
    panoptic_folders,
    sources_of_file,
    sources_of_folder,
)
from .formats.lvis import read_lvis
from .formats.panoptic.reader import load_coco_panoptic_json, panoptic_categories
from .formats.voc.reader import load_voc_instances, voc_class_names
from .formats.yolo.reader import load_yolo
from .problems import DatasetError, Problem
from .registration import INDEX_MIN_BYTES

__all__ = ["Source", "find_sources", "load_source"]


def find_sources(path: str | os.PathLike[str], image_root: str | os.PathLike[str] | None = None) -> list[Source]:
    """Find the annotations at a path and detect their format.

    Args:
        path: One of: the name of a registered dataset; a JSON file in COCO, LVIS or panoptic format or with records in
            the standard format; a folder with such files, or with a subfolder `annotations` of such files; a Pascal
            VOC, YOLO or LabelMe folder.
        image_root: The image folder of JSON files; by default it is guessed from common layouts.

    Returns:
        One source per annotation file or split.

    Raises:
        FileNotFoundError: If the path does not exist, or contains no dataset in a supported format.
    """
    location, root = Path(path), None if image_root is None else Path(image_root)
    if location.is_file():
        return sources_of_file(location, root)
    if not location.is_dir():
        if str(path) in DatasetCatalog:
            return [Source("registered", location)]
        raise FileNotFoundError(f"{path}: not a file, a folder or a registered dataset")
    sources = sources_of_folder(location, root)
    if not sources:
        raise FileNotFoundError(
            f"{path}: no dataset found, expected annotations/*.json or *.json (COCO, LVIS, panoptic, LabelMe), "
            "Annotations/*.xml (Pascal VOC) or labels/*.txt and images/ (YOLO)"
        )
    return sources


def load_source(source: Source) -> tuple[Sequence[Any], Metadata]:
    """Load the records and the metadata of a source. Category ids of the records are contiguous.

    The metadata of a path are stored in `MetadataCatalog` under the path, and replaced at every call.

    Raises:
        DatasetError: If the annotations are invalid. The message contains file, record and field.
    """
    if source.format == "registered":
        name = str(source.path)
        return DatasetCatalog.get(name), MetadataCatalog.get(name)
    records, loaded = _LOADERS[source.format](source)
    name = f"{source.path}:{source.split}" if source.format in ("voc", "yolo") else str(source.path)
    if name in MetadataCatalog:
        MetadataCatalog.remove(name)
    return records, MetadataCatalog.get(name).set(**loaded)


_Loaded = tuple[Sequence[Any], dict[str, Any]]


def _load_coco(source: Source) -> _Loaded:
    file = source.path
    if file.stat().st_size < INDEX_MIN_BYTES:
        return _in_image_root(read_coco(file, ""), source)
    names = [record["file_name"] for record in open_coco_index(file, "")[:10]]
    index = open_coco_index(file, source.images or find_image_root(file, names))
    return index, index.metadata


def _load_lvis(source: Source) -> _Loaded:
    return _in_image_root(read_lvis(source.path, ""), source)


def _in_image_root(dataset: LoadedDataset, source: Source) -> _Loaded:
    names = [record["file_name"] for record in dataset.records[:10]]
    root = source.images or find_image_root(source.path, names)
    for record in dataset.records:
        record["file_name"] = os.path.join(root, record["file_name"])
    return dataset.records, dataset.metadata


def _load_panoptic(source: Source) -> _Loaded:
    content = read_json(source.path)
    images, segments = panoptic_folders(source, content.get("annotations") or [])
    metadata = panoptic_categories(content.get("categories") or [])
    return load_coco_panoptic_json(source.path, images, segments, metadata), metadata


def _load_voc(source: Source) -> _Loaded:
    split = source.split or None
    names = voc_class_names(source.path, split)
    return load_voc_instances(source.path, split, names), {"thing_classes": names}


def _load_yolo(source: Source) -> _Loaded:
    names = find_yolo_class_names(source)
    return load_yolo(source.images or source.path, source.path, names), {"thing_classes": names}


def _load_labelme(source: Source) -> _Loaded:
    records, names = load_labelme(source.path)
    return records, {"thing_classes": names}


def _load_records(source: Source) -> _Loaded:
    """Load a JSON file of records. Relative file names are relative to the folder of the file."""
    records = read_json(source.path)
    for index, record in enumerate(records):
        if not isinstance(record, dict) or not isinstance(record.get("file_name"), str):
            got = "a dict without it" if isinstance(record, dict) else type(record).__name__
            message = f"missing: expected a list of records with 'file_name' (or a COCO file, an object), got {got}"
            raise DatasetError(Problem(str(source.path), f"record {index}", "file_name", message))
        record["file_name"] = os.path.join(source.images or source.path.parent, record["file_name"])
    ids = {annotation.get("category_id") for record in records for annotation in record.get("annotations", [])}
    max_id = max((category for category in ids if isinstance(category, int)), default=-1)
    return records, {"thing_classes": [f"class {category}" for category in range(max_id + 1)]}


_LOADERS: dict[str, Callable[[Source], _Loaded]] = {
    "coco": _load_coco,
    "lvis": _load_lvis,
    "panoptic": _load_panoptic,
    "voc": _load_voc,
    "yolo": _load_yolo,
    "labelme": _load_labelme,
    "records": _load_records,
}
