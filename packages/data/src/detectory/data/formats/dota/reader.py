"""Reader of DOTA's text format: one file of rotated boxes per image.

Source: G.-S. Xia et al., "DOTA: A Large-scale Dataset for Object Detection in Aerial Images", CVPR 2018. Lines are
`x1 y1 x2 y2 x3 y3 x4 y4 class difficult` in pixels; the first lines may be `imagesource:…` and `gsd:…`.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path

from detectory.data.formats.annotations import corners_to_rotated, rotated_annotation, smallest_rectangle
from detectory.data.formats.image_records import image_record
from detectory.data.formats.report import ConversionReport
from detectory.data.formats.yolo.text import read_lines
from detectory.data.images.folders import images_below
from detectory.data.problems import DatasetError, Problem
from detectory.structures.records import DatasetRecord

#: Names of the folders with label files.
LABEL_FOLDERS = ("labelTxt", "labelTxt-v1.0", "labelTxt-v1.5", "annfiles")
_HEADERS = ("imagesource:", "gsd:")


def load_dota(
    image_dir: str | os.PathLike[str], label_dir: str | os.PathLike[str], report: ConversionReport | None = None
) -> tuple[list[DatasetRecord], list[str]]:
    """Read DOTA label files. Only the headers of the images are read.

    A quadrilateral that is not a rectangle becomes the smallest rotated rectangle around it, as in other tools.

    Args:
        image_dir: The folder of the images. An image without a label file has no objects.
        label_dir: The folder of the label files.
        report: Counts the objects.

    Returns:
        Records in the standard format with image ids from 1, and the class names, sorted.

    Raises:
        DatasetError: If a label file is invalid. The message contains the file and the line.
    """
    report = report if report is not None else ConversionReport()
    root, labels = Path(image_dir), Path(label_dir)
    images = images_below(root)
    lines = [list(_objects(labels / image.relative_to(root).with_suffix(".txt"))) for image in images]
    names = sorted({name for objects in lines for _, _, name, _ in objects})
    records: list[DatasetRecord] = []
    for image, objects in zip(images, lines, strict=True):
        annotations = []
        for place, corners, name, is_difficult in objects:
            box = corners_to_rotated(corners)
            if box is None:
                box = smallest_rectangle(corners)
                report.change("a quadrilateral becomes the smallest rotated rectangle around it", place)
            annotation = rotated_annotation(names.index(name), box)
            if is_difficult:
                annotation["difficult"] = 1  # type: ignore[typeddict-unknown-key]
            annotations.append(annotation)
            report.keep()
        records.append(image_record(image, len(records) + 1, None, annotations))
    return records, names


def _objects(file: Path) -> Iterator[tuple[str, list[float], str, bool]]:
    """Yield the place, the corners, the class and the mark of difficult objects per line."""
    lines = read_lines(file) if file.is_file() else []
    if isinstance(lines, Problem):
        raise DatasetError(lines)
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or line.lower().startswith(_HEADERS):
            continue
        try:
            corners = [float(word) for word in words[:8]]
        except ValueError as error:
            raise DatasetError(
                Problem(str(file), f"line {number}", "", f"must start with 8 numbers: {error}")
            ) from error
        rest = words[8:]
        has_mark = len(rest) > 1 and rest[-1].isdecimal()
        if len(corners) < 8 or not rest or not all(map(math.isfinite, corners)):
            message = f"must have 8 coordinates, a class and a mark of difficult objects, got {len(words)} words"
            raise DatasetError(Problem(str(file), f"line {number}", "", message))
        name = " ".join(rest[:-1] if has_mark else rest)
        yield f"{file}: line {number}", corners, name, has_mark and rest[-1] != "0"
