"""Reader of CSV tables with one box per row."""

import csv
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detectory.data.formats.annotations import box_annotation
from detectory.data.formats.image_records import FindRoot, checked_name, image_record, with_image_suffix
from detectory.data.formats.report import ConversionReport
from detectory.data.images.reading import image_size_of_file
from detectory.data.problems import DatasetError, Problem
from detectory.structures.records import DatasetRecord

from .columns import Columns, find_columns


def load_csv(
    file: str | os.PathLike[str],
    image_root: str | os.PathLike[str] | FindRoot,
    report: ConversionReport | None = None,
) -> tuple[list[DatasetRecord], list[str]]:
    """Read a table with one box per row. The headers of the images are read, unless the table contains their sizes.

    Coordinates are pixels, or relative to the image if all of them are at most 1. A row with a file name and without a
    box is an image without objects.

    Args:
        file: The CSV file; see `find_columns`.
        image_root: The folder of the images, or a function that returns it for the file and the names of the images.
        report: Counts the objects.

    Returns:
        Records in the standard format with image ids from 1 in the order of the file, and the class names, sorted.

    Raises:
        DatasetError: If the file is invalid. The message contains the file, the row and the column.
    """
    path, report = Path(file), report if report is not None else ConversionReport()
    columns = find_columns(path)
    if columns is None:
        message = (
            "not a table of boxes: expected columns for file name, class, and x1, y1, x2, y2 or x, y, width, height"
        )
        raise DatasetError(Problem(str(path), "", "", message))
    by_image: dict[str, list[tuple[str, list[float]]]] = {}
    sizes: dict[str, tuple[float, float]] = {}
    for place, row in _rows(path, columns):
        name = checked_name(row["file"], path, place, "file name")
        boxes = by_image.setdefault(name, [])
        box = _box(row, columns, path, place)
        if box is not None:
            boxes.append((_class_name(row, path, place), box))
        if row.get("image_height") and row.get("image_width"):
            height, width = (_number(row[f"image_{side}"], path, place, side) for side in ("height", "width"))
            sizes[name] = (height, width)
    class_names = sorted({label for boxes in by_image.values() for label, _ in boxes})
    is_relative = _are_relative([box for boxes in by_image.values() for _, box in boxes])
    folder = image_root(path, list(by_image)) if callable(image_root) else Path(image_root)
    records: list[DatasetRecord] = []
    for name, boxes in by_image.items():
        image = with_image_suffix(folder, name)
        height, width = sizes.get(name) or image_size_of_file(image)
        scale = (width, height, width, height) if is_relative else (1, 1, 1, 1)
        annotations = [
            box_annotation(class_names.index(label), [v * side for v, side in zip(box, scale, strict=True)])
            for label, box in boxes
        ]
        report.keep(len(annotations))
        records.append(image_record(image, len(records) + 1, (height, width), annotations))
    return records, class_names


def _rows(file: Path, columns: Columns) -> Sequence[tuple[str, dict[str, str]]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"not UTF-8: byte {error.object[error.start]:#04x} at offset {error.start}"
        raise DatasetError(Problem(str(file), "", "", message)) from error
    rows = []
    reader = csv.reader(text.splitlines(), delimiter=columns.delimiter)
    for cells in reader:
        place = f"line {reader.line_num}"
        if not cells or (columns.has_header and reader.line_num == 1):
            continue
        if len(cells) <= max(columns.indices.values()):
            message = f"must have at least {max(columns.indices.values()) + 1} columns, got {len(cells)}"
            raise DatasetError(Problem(str(file), place, "", message))
        rows.append((place, {meaning: cells[index].strip() for meaning, index in columns.indices.items()}))
    return rows


def _box(row: dict[str, str], columns: Columns, file: Path, place: str) -> list[float] | None:
    """Return `[x, y, width, height]`, or None for a row without a box."""
    keys = ("x1", "y1", "x2", "y2") if columns.has_corners else ("x", "y", "box_width", "box_height")
    if not any(row[key] for key in keys):
        return None
    a, b, c, d = (_number(row[key], file, place, key) for key in keys)
    width, height = (c - a, d - b) if columns.has_corners else (c, d)
    if width < 0 or height < 0:
        message = f"width and height must not be negative, got {width:g} and {height:g}"
        raise DatasetError(Problem(str(file), place, "box", message))
    return [a, b, width, height]


def _class_name(row: dict[str, str], file: Path, place: str) -> str:
    if not row["class"]:
        raise DatasetError(Problem(str(file), place, "class", "missing"))
    return row["class"]


def _are_relative(boxes: Sequence[Sequence[float]]) -> bool:
    values: list[Any] = [value for x, y, w, h in boxes for value in (x + w, y + h)]
    return bool(values) and max(values) <= 1


def _number(text: str, file: Path, place: str, field: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DatasetError(Problem(str(file), place, field, f"must be a number, got {text!r}"))
    return number
