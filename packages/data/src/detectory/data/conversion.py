"""Conversion of YOLO, LabelMe and Pascal VOC folders, and of registered datasets, to COCO files."""

import datetime
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detectory.core.storage import atomic_write

from .catalog import DatasetCatalog, MetadataCatalog
from .formats.coco.writer import records_to_coco, write_coco
from .formats.labelme.reader import load_labelme
from .formats.voc.reader import load_voc_instances, voc_class_names
from .formats.yolo.reader import load_yolo

_logger = logging.getLogger(__name__)


def convert_yolo(
    image_dir: str | os.PathLike[str],
    label_dir: str | os.PathLike[str],
    class_names: Sequence[str],
    output_file: str | os.PathLike[str],
) -> int:
    """Convert YOLO labels, boxes or polygons, to a COCO file.

    Args:
        image_dir: The image folder.
        label_dir: The folder of the label files; see `load_yolo`.
        class_names: The class names in the order of the class ids.
        output_file: The COCO file. Its image names are relative to `image_dir`.

    Returns:
        The number of images.

    Raises:
        DatasetError: If a label file is invalid. The message contains the file and the line.
    """
    return write_coco(load_yolo(image_dir, label_dir, class_names), class_names, output_file, image_dir)


def convert_labelme(
    folder: str | os.PathLike[str],
    output_file: str | os.PathLike[str],
    class_names: Sequence[str] | None = None,
) -> int:
    """Convert LabelMe files to a COCO file.

    Args:
        folder: A folder with a JSON file per image; see `load_labelme`.
        output_file: The COCO file. Its image names are relative to `folder`.
        class_names: The class names in the order of the class ids; by default all labels, sorted.

    Returns:
        The number of images.

    Raises:
        DatasetError: If a file is invalid. The message contains file, shape and field.
    """
    records, names = load_labelme(folder, class_names, ignore=[Path(output_file)])
    return write_coco(records, names, output_file, folder)


def convert_voc(
    dirname: str | os.PathLike[str],
    split: str | None,
    output_file: str | os.PathLike[str],
    class_names: Sequence[str] | None = None,
) -> int:
    """Convert a folder in Pascal VOC format to a COCO file.

    Args:
        dirname: A folder with `Annotations`, `ImageSets/Main` and `JPEGImages`.
        split: The name of a list in `ImageSets/Main`; None converts all XML files.
        output_file: The COCO file. Its image names are relative to the image folder.
        class_names: The class names in the order of the class ids; by default all names, sorted.

    Returns:
        The number of images.

    Raises:
        DatasetError: If an XML file is invalid. The message contains file, object and field.
    """
    names = voc_class_names(dirname, split) if class_names is None else list(class_names)
    records = load_voc_instances(dirname, split, names)
    for index, record in enumerate(records):
        record["image_id"] = index + 1
    folders = {os.path.dirname(record["file_name"]) for record in records}
    return write_coco(records, names, output_file, folders.pop() if len(folders) == 1 else dirname)


def convert_to_coco_dict(dataset_name: str) -> dict[str, Any]:
    """Convert a registered dataset to the content of a COCO file.

    Args:
        dataset_name: The dataset. Its metadata must have `thing_classes`. If they have
            `thing_dataset_id_to_contiguous_id`, category ids are mapped back to the original ids.

    Returns:
        A dict of `info`, `images`, `categories`, `annotations` and `licenses`; see `records_to_coco`.
    """
    metadata = MetadataCatalog.get(dataset_name)
    contiguous_ids = metadata.get("thing_dataset_id_to_contiguous_id")
    original_ids = {index: category for category, index in contiguous_ids.items()} if contiguous_ids else None
    content = records_to_coco(DatasetCatalog.get(dataset_name), metadata.thing_classes, original_ids)
    info = {
        "date_created": str(datetime.datetime.now(datetime.timezone.utc)),
        "description": f"Dataset {dataset_name}, converted by detectory",
    }
    return {"info": info, **content, "licenses": None}


def convert_to_coco_json(dataset_name: str, output_file: str | os.PathLike[str], allow_cached: bool = True) -> None:
    """Write a registered dataset to a COCO file.

    Args:
        dataset_name: See `convert_to_coco_dict`.
        output_file: The file, written atomically.
        allow_cached: Whether to keep an existing file.
    """
    if allow_cached and os.path.exists(output_file):
        _logger.warning("Using the existing file %s. Remove it if the dataset has changed.", output_file)
        return
    content = convert_to_coco_dict(dataset_name)
    with atomic_write(output_file, "w") as file:
        json.dump(content, file)
