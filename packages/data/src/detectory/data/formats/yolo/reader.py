"""Datasets in YOLO's format: a text file of labels for each image."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from detectory.data.images.folders import images_below
from detectory.data.images.reading import image_size_of_file
from detectory.data.problems import DatasetError, Problem
from detectory.structures import BoxMode

NAME_FILES = ("classes.txt", "obj.names")


def load_yolo(
    image_dir: str | os.PathLike[str], label_dir: str | os.PathLike[str], class_names: Sequence[str]
) -> list[dict[str, Any]]:
    """Load YOLO's text labels, boxes or polygons. Of images the headers are read.

    Args:
        image_dir: The folder of images.
        label_dir: The folder of `.txt` files with the images' names; an image without one has no objects. A line is
            `class x_center y_center width height` or `class x1 y1 x2 y2 x3 y3 …`, relative to the image.
        class_names: The classes in the order of their numbers.

    Returns:
        Dicts of the standard format; image ids count from 1 in the order of the names.

    Raises:
        DatasetError: A line breaks the rules; the message names the file and the line.
    """
    root = Path(image_dir)
    records: list[dict[str, Any]] = []
    for path in images_below(root):
        height, width = image_size_of_file(path)
        labels = Path(label_dir) / path.relative_to(root).with_suffix(".txt")
        annotations = []
        for item in yolo_labels(labels, len(class_names)):
            if isinstance(item, Problem):
                raise DatasetError(item)
            annotations.append(_annotation(*item, height, width))
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


def _annotation(category: int, numbers: list[float], height: int, width: int) -> dict[str, Any]:
    absolute = [value * (height if at % 2 else width) for at, value in enumerate(numbers)]
    if len(numbers) == 4:
        x, y, w, h = absolute
        box = [x - w / 2, y - h / 2, w, h]
        return {"category_id": category, "bbox": box, "bbox_mode": BoxMode.XYWH_ABS, "iscrowd": 0}
    xs, ys = absolute[0::2], absolute[1::2]
    return {
        "category_id": category,
        "bbox": [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)],
        "bbox_mode": BoxMode.XYWH_ABS,
        "iscrowd": 0,
        "segmentation": [absolute],
    }


def yolo_labels(labels: Path, classes: int) -> Iterator[tuple[int, list[float]] | Problem]:
    """Yield a label file's `(class, relative numbers)`, and a problem in the place of each bad line."""
    if not labels.is_file():
        return
    lines = _lines(labels)
    if isinstance(lines, Problem):
        yield lines
        return
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        parsed = _parsed(line, classes)
        yield parsed if not isinstance(parsed, str) else _problem(labels, number, parsed)


def _lines(file: Path) -> list[str] | Problem:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        return Problem(str(file), "", "", f"the file is not UTF-8: byte {error.object[error.start]:#04x}")


def _problem(labels: Path, number: int, message: str) -> Problem:
    field = "class" if message.startswith("expected a class") else ""
    return Problem(str(labels), f"line {number}", field, message)


def _parsed(line: str, classes: int) -> tuple[int, list[float]] | str:
    """The class and numbers of a line, or what is wrong with it."""
    try:
        category, *numbers = (float(word) for word in line.split())
    except ValueError as error:
        return f"expected numbers: {error}"
    if not 0 <= category < classes or category != int(category):
        return f"expected a class in [0, {classes}), got {line.split()[0]}"
    if len(numbers) != 4 and (len(numbers) < 6 or len(numbers) % 2):
        return f"expected 4 numbers of a box or 6 and more of a polygon, got {len(numbers)}"
    if not all(-0.01 <= value <= 1.01 for value in numbers):
        strange = next(value for value in numbers if not -0.01 <= value <= 1.01)
        return f"coordinates are relative and lie in [0, 1], got {strange:g}"
    return int(category), numbers


def yolo_class_names(folder: Path) -> list[str] | None:
    """Find the names of the classes: in a `.yaml` file with `names`, in `classes.txt` or `obj.names`.

    Returns:
        The names in the order of their numbers; None where no such file is there.

    Raises:
        DatasetError: `names` is neither a list nor a map of the numbers 0, 1, 2, ….
    """
    for file in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        try:
            content = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise DatasetError(
                Problem(str(file), "", "", f"the file is no YAML: {' '.join(str(error).split())}")
            ) from error
        if isinstance(content, dict) and "names" in content:
            return _listed(content["names"], file)
    for name in NAME_FILES:
        if (folder / name).is_file():
            lines = _lines(folder / name)
            if isinstance(lines, Problem):
                raise DatasetError(lines)
            return [line.strip() for line in lines if line.strip()]
    return None


def _listed(names: Any, file: Path) -> list[str]:
    if isinstance(names, dict) and set(names) == set(range(len(names))):
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list):
        message = f"expected a list of names or a map from 0, 1, 2, … to names, got {names!r}"
        raise DatasetError(Problem(str(file), "", "names", message))
    return [str(name) for name in names]
