"""Reader of YOLO's text format: one label file per image."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from detectory.data.images.folders import images_below
from detectory.data.images.reading import image_size_of_file
from detectory.data.problems import DatasetError, Problem
from detectory.structures import BoxMode
from detectory.structures.records import Annotation, DatasetRecord

# Writers round relative coordinates: values slightly outside [0, 1] are accepted.
_TOLERANCE = 0.01


def load_yolo(
    image_dir: str | os.PathLike[str], label_dir: str | os.PathLike[str], class_names: Sequence[str]
) -> list[DatasetRecord]:
    """Read YOLO labels, boxes or polygons. Only the headers of the images are read.

    Args:
        image_dir: The folder of the images.
        label_dir: The folder of the label files: `.txt` files with the names of the images. An image without a label
            file has no objects. Lines are `class x_center y_center width height` or `class x1 y1 x2 y2 x3 y3 …`, with
            coordinates relative to the size of the image.
        class_names: The class names in the order of the class ids.

    Returns:
        Records in the standard format. Image ids start at 1 and follow the order of the file names.

    Raises:
        FileNotFoundError: If `image_dir` contains no images.
        DatasetError: If a label file is invalid. The message contains the file and the line.
    """
    root = Path(image_dir)
    records: list[DatasetRecord] = []
    for path in images_below(root):
        height, width = image_size_of_file(path)
        labels = Path(label_dir) / path.relative_to(root).with_suffix(".txt")
        annotations = []
        for item in parse_label_file(labels, len(class_names)):
            if isinstance(item, Problem):
                raise DatasetError(item)
            category, values = item
            annotations.append(_annotation(category, values, height, width))
        records.append(
            {
                "file_name": str(path),
                "image_id": len(records) + 1,
                "height": height,
                "width": width,
                "annotations": annotations,
            }
        )
    return records


def _annotation(category: int, values: list[float], height: int, width: int) -> Annotation:
    absolute = [value * (height if position % 2 else width) for position, value in enumerate(values)]
    if len(values) == 4:
        x, y, w, h = absolute
        return {
            "category_id": category,
            "bbox": [x - w / 2, y - h / 2, w, h],
            "bbox_mode": BoxMode.XYWH_ABS,
            "iscrowd": 0,
        }
    xs, ys = absolute[0::2], absolute[1::2]
    return {
        "category_id": category,
        "bbox": [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)],
        "bbox_mode": BoxMode.XYWH_ABS,
        "iscrowd": 0,
        "segmentation": [absolute],
    }


def parse_label_file(file: Path, num_classes: int) -> Iterator[tuple[int, list[float]] | Problem]:
    """Yield the class and the relative coordinates per line of a label file, or a problem per invalid line.

    Nothing is yielded if the file does not exist.
    """
    if not file.is_file():
        return
    lines = read_lines(file)
    if isinstance(lines, Problem):
        yield lines
        return
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _parse_line(line, num_classes, str(file), f"line {number}")


def read_lines(file: Path) -> list[str] | Problem:
    """Return the lines of a text file, or a problem if the file is not UTF-8."""
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        message = f"not UTF-8: byte {error.object[error.start]:#04x} at offset {error.start}"
        return Problem(str(file), "", "", message)


def _parse_line(line: str, num_classes: int, file: str, place: str) -> tuple[int, list[float]] | Problem:
    try:
        category, *values = (float(word) for word in line.split())
    except ValueError as error:
        return Problem(file, place, "", f"must contain only numbers: {error}")
    if not 0 <= category < num_classes or category != int(category):
        return Problem(file, place, "class", f"must be an integer in [0, {num_classes}), got {line.split()[0]}")
    if len(values) != 4 and (len(values) < 6 or len(values) % 2):
        message = f"must have 4 coordinates (a box), or an even number of at least 6 (a polygon), got {len(values)}"
        return Problem(file, place, "", message)
    for value in values:
        if not -_TOLERANCE <= value <= 1 + _TOLERANCE:
            return Problem(file, place, "", f"coordinates must be relative to the image, in [0, 1], got {value:g}")
    return int(category), values
