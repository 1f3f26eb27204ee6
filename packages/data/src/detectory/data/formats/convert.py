"""Turn YOLO, LabelMe and Pascal VOC folders into COCO files."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detectory.core.storage import atomic_write
from detectory.data.formats.coco.writer import records_to_coco
from detectory.data.formats.labelme.reader import load_labelme
from detectory.data.formats.voc.reader import load_voc_instances, voc_class_names
from detectory.data.formats.yolo.reader import load_yolo


def write_coco(
    records: Sequence[dict[str, Any]],
    class_names: Sequence[str],
    output_file: str | os.PathLike[str],
    image_root: str | os.PathLike[str] | None = None,
) -> int:
    """Write records of the standard format as a COCO file; categories count from 1.

    Args:
        records: With `height` and `width`.
        class_names: The classes in the order of their numbers.
        output_file: It appears whole or not at all.
        image_root: The folder that image names in the file are relative to; by default they stay as they are.

    Returns:
        The number of images.
    """
    ids = {number: number + 1 for number in range(len(class_names))}
    content = records_to_coco(records, class_names, ids, image_root)
    with atomic_write(output_file, "w") as file:
        json.dump(content, file)
    return len(content["images"])


def convert_yolo(
    image_dir: str | os.PathLike[str],
    label_dir: str | os.PathLike[str],
    class_names: Sequence[str],
    output_file: str | os.PathLike[str],
) -> int:
    """Turn YOLO's text labels, boxes or polygons, into a COCO file.

    Args:
        image_dir: The folder of images.
        label_dir: The folder of `.txt` files; see `load_yolo`.
        class_names: The classes in the order of their numbers.
        output_file: The COCO file; image names in it are relative to `image_dir`.

    Returns:
        The number of images.

    Raises:
        DatasetError: A line breaks the rules; the message names the file and the line.
    """
    return write_coco(load_yolo(image_dir, label_dir, class_names), class_names, output_file, image_dir)


def convert_labelme(
    folder: str | os.PathLike[str], output_file: str | os.PathLike[str], class_names: Sequence[str] | None = None
) -> int:
    """Turn LabelMe's JSON files into a COCO file.

    Args:
        folder: Has a JSON file for each image; see `load_labelme`.
        output_file: The COCO file; image names in it are relative to `folder`.
        class_names: The classes in the order of their numbers; by default all labels, sorted.

    Returns:
        The number of images.

    Raises:
        DatasetError: A file breaks the rules; the message names file, shape and field.
    """
    records, names = load_labelme(folder, class_names, ignore=[Path(output_file)])
    return write_coco(records, names, output_file, folder)


def convert_voc(
    dirname: str | os.PathLike[str],
    split: str | None,
    output_file: str | os.PathLike[str],
    class_names: Sequence[str] | None = None,
) -> int:
    """Turn a folder in Pascal VOC's format, of any classes, into a COCO file.

    Args:
        dirname: Has `Annotations`, `ImageSets/Main` and `JPEGImages`.
        split: The name of a list in `ImageSets/Main`; None takes all XML files.
        output_file: The COCO file; image names in it are relative to the folder of the images.
        class_names: The classes in the order of their numbers; by default all names, sorted.

    Returns:
        The number of images.
    """
    names = voc_class_names(dirname, split) if class_names is None else list(class_names)
    records = load_voc_instances(dirname, split, names)
    for number, record in enumerate(records):
        record["image_id"] = number + 1
    folders = {os.path.dirname(record["file_name"]) for record in records}
    return write_coco(records, names, output_file, folders.pop() if len(folders) == 1 else dirname)
