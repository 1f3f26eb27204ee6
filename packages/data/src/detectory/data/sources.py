"""Loading of datasets from a path or a name, in any supported format."""

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .catalog import DatasetCatalog, Metadata, MetadataCatalog
from .formats.coco.index import CocoIndex, open_coco_index
from .formats.coco.reader import LoadedDataset, read_coco
from .formats.csv_table.reader import load_csv
from .formats.cvat.reader import load_cvat
from .formats.datumaro.reader import load_datumaro
from .formats.dota.reader import load_dota
from .formats.image_names import ImageNames
from .formats.json_file import read_json
from .formats.labelme.reader import load_labelme
from .formats.layouts import (
    Source,
    describe_folder,
    find_image_root,
    find_yolo_config,
    panoptic_folders,
    sources_of_file,
    sources_of_folder,
)
from .formats.layouts.folders import EXPECTED_LAYOUTS
from .formats.lvis import read_lvis
from .formats.mask_folder.reader import load_masks
from .formats.panoptic.reader import load_coco_panoptic_json, panoptic_categories
from .formats.report import ConversionReport
from .formats.via.reader import load_via
from .formats.voc.masks import add_voc_masks, load_voc_masks
from .formats.voc.reader import load_voc_instances, voc_class_names
from .formats.yolo.reader import load_yolo
from .problems import DatasetError, Problem
from .registration import INDEX_MIN_BYTES

_logger = logging.getLogger(__name__)

__all__ = ["Source", "find_sources", "load_source"]


def find_sources(path: str | os.PathLike[str], image_root: str | os.PathLike[str] | None = None) -> list[Source]:
    """Find the annotations at a path and detect their format.

    Args:
        path: One of: the name of a registered dataset; an annotation file; a folder in the layout of one of the
            formats, or as an annotation tool exports it; see `detectory.data.formats.layouts`.
        image_root: The image folder of files with the annotations of many images; by default it is found from common
            layouts.

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
    if not sources and (location / "SegmentationClass").is_dir():
        raise FileNotFoundError(
            f"{path}: SegmentationClass contains semantic labels, which do not distinguish objects. "
            "Add SegmentationObject, or train with the labels as a registered dataset: load_sem_seg"
        )
    if not sources:
        found, expected = describe_folder(location), "; ".join(EXPECTED_LAYOUTS)
        raise FileNotFoundError(f"{path}: no dataset found. {found}. Expected one of: {expected}")
    return sources


def load_source(source: Source, report: ConversionReport | None = None) -> tuple[Sequence[Any], Metadata]:
    """Load the records and the metadata of a source. Category ids of the records are contiguous.

    The metadata of a path are stored in `MetadataCatalog` under the path, and replaced at every call.

    Args:
        source: The source.
        report: Counts the objects. If None, a warning is logged if objects are skipped.

    Raises:
        DatasetError: If the annotations are invalid. The message contains file, record and field.
    """
    if source.format == "registered":
        name = str(source.path)
        return DatasetCatalog.get(name), MetadataCatalog.get(name)
    counts = report if report is not None else ConversionReport()
    records, loaded = _LOADERS[source.format](source, counts)
    if report is None and counts.skipped:
        _logger.warning("%s: %s", source, "; ".join(counts.lines()))
    name = f"{source.path}:{source.split}" if source.has_named_split else str(source.path)
    if name in MetadataCatalog:
        MetadataCatalog.remove(name)
    return records, MetadataCatalog.get(name).set(**loaded)


_Loaded = tuple[Sequence[Any], dict[str, Any]]


def _load_coco(source: Source, report: ConversionReport) -> _Loaded:
    file = source.path
    if file.stat().st_size >= INDEX_MIN_BYTES and (index := _open_index(source)) is not None:
        report.keep(index.num_annotations)
        return index, index.metadata
    resolver = ImageNames(file, source.images)
    dataset = read_coco(file, "", rename=resolver)
    resolver.warn()
    return _in_image_root(dataset, source, report)


def _open_index(source: Source) -> CocoIndex | None:
    """Return the index of a COCO file, or None if image names are not relative to the image folder."""
    try:
        names = [record["file_name"] for record in open_coco_index(source.path, "")[:10]]
    except DatasetError as error:
        if isinstance(error.problem, Problem) and error.problem.field == "file_name":
            return None
        raise
    return open_coco_index(source.path, source.images or find_image_root(source.path, names))


def _load_lvis(source: Source, report: ConversionReport) -> _Loaded:
    return _in_image_root(read_lvis(source.path, ""), source, report)


def _in_image_root(dataset: LoadedDataset, source: Source, report: ConversionReport) -> _Loaded:
    names = [record["file_name"] for record in dataset.records]
    root = source.images or find_image_root(source.path, names)
    for record in dataset.records:
        record["file_name"] = os.path.join(root, record["file_name"])
    report.keep(sum(len(record["annotations"]) for record in dataset.records))
    return dataset.records, dataset.metadata


def _load_panoptic(source: Source, report: ConversionReport) -> _Loaded:
    content = read_json(source.path)
    images, segments = panoptic_folders(source, content.get("annotations") or [])
    metadata = panoptic_categories(content.get("categories") or [])
    records = load_coco_panoptic_json(source.path, images, segments, metadata)
    report.keep(sum(len(record["segments_info"]) for record in records))
    return records, metadata


def _load_voc(source: Source, report: ConversionReport) -> _Loaded:
    names = voc_class_names(source.path, source.voc_list)
    records = load_voc_instances(source.path, source.voc_list, names)
    add_voc_masks(records, source.path, report)
    report.keep(sum(len(record["annotations"]) for record in records))
    return records, {"thing_classes": names}


def _load_yolo(source: Source, report: ConversionReport) -> _Loaded:
    config = find_yolo_config(source)
    records = load_yolo(
        source.images or source.path,
        source.path,
        config.names,
        list_file=source.list_file,
        keypoint_shape=config.keypoint_shape,
        is_rotated=config.is_rotated,
        report=report,
    )
    ids = {index: index for index in range(len(config.names))}
    return records, {"thing_classes": config.names, "thing_dataset_id_to_contiguous_id": ids, **config.keypoints}


def _load_labelme(source: Source, report: ConversionReport) -> _Loaded:
    records, names = load_labelme(source.path, report=report)
    return records, {"thing_classes": names}


def _load_voc_masks(source: Source, report: ConversionReport) -> _Loaded:
    return load_voc_masks(source.path, source.segmentation_list, report)


def _load_dota(source: Source, report: ConversionReport) -> _Loaded:
    records, names = load_dota(source.images or source.path, source.path, report)
    return records, {"thing_classes": names}


def _load_masks(source: Source, report: ConversionReport) -> _Loaded:
    records, names = load_masks(source.images or source.path, source.path, report)
    return records, {"thing_classes": names}


def _file_loader(load: Callable[..., tuple[list[Any], Any]]) -> "_Loader":
    """Return a loader for a format with one annotation file for all images."""

    def load_file(source: Source, report: ConversionReport) -> _Loaded:
        records, metadata = load(source.path, source.images or find_image_root, report)
        return records, metadata if isinstance(metadata, dict) else {"thing_classes": metadata}

    return load_file


def _load_records(source: Source, report: ConversionReport) -> _Loaded:
    """Load a JSON file of records. Relative file names are relative to the folder of the file."""
    records = read_json(source.path)
    for index, record in enumerate(records):
        if not isinstance(record, dict) or not isinstance(record.get("file_name"), str):
            got = "a dict without it" if isinstance(record, dict) else type(record).__name__
            message = f"missing: expected a list of records with 'file_name' (or a COCO file, an object), got {got}"
            raise DatasetError(Problem(str(source.path), f"record {index}", "file_name", message))
        record["file_name"] = os.path.join(source.images or source.path.parent, record["file_name"])
        report.keep(len(record.get("annotations", [])))
    ids = {annotation.get("category_id") for record in records for annotation in record.get("annotations", [])}
    max_id = max((category for category in ids if isinstance(category, int)), default=-1)
    return records, {"thing_classes": [f"class {category}" for category in range(max_id + 1)]}


_Loader = Callable[[Source, ConversionReport], _Loaded]
_LOADERS: dict[str, _Loader] = {
    "coco": _load_coco,
    "lvis": _load_lvis,
    "panoptic": _load_panoptic,
    "voc": _load_voc,
    "yolo": _load_yolo,
    "labelme": _load_labelme,
    "cvat": _file_loader(load_cvat),
    "via": _file_loader(load_via),
    "datumaro": _file_loader(load_datumaro),
    "csv": _file_loader(load_csv),
    "masks": _load_masks,
    "dota": _load_dota,
    "voc-masks": _load_voc_masks,
    "records": _load_records,
}
