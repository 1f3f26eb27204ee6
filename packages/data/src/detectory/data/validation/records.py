"""The problems of dataset dicts: of a registered dataset or of a JSON file of such dicts."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from detectory.data.formats.coco.problems import segmentation_problems
from detectory.data.formats.sources import Source, load_source
from detectory.data.problems import Problem
from detectory.structures import BoxMode

from .image_files import image_file_problems


def record_problems(source: Source, decode: bool, advance: Callable[[int, int], None]) -> Iterator[Problem]:
    """Yield the problems of records of the standard format and of their files."""
    records, metadata = load_source(source)
    name, classes = str(source.path), metadata.get("thing_classes")
    for number, record in enumerate(records):
        place = f"record {number} (image {record.get('image_id', 'without id')})"
        has_size = isinstance(record.get("height"), int) and isinstance(record.get("width"), int)
        for key in ("file_name", "sem_seg_file_name", "pan_seg_file_name"):
            if key in record or key == "file_name":
                path = Path(str(record.get(key)))
                sizes = record if has_size else None
                yield from image_file_problems(path, decode, sizes, name, place, (key, "width, height"))
        for at, annotation in enumerate(record.get("annotations", [])):
            yield from _annotation_problems(annotation, name, f"{place}: annotation {at}", classes, record)
        advance(number + 1, len(records))


def _annotation_problems(
    annotation: dict[str, Any], name: str, place: str, classes: list[str] | None, record: dict[str, Any]
) -> Iterator[Problem]:
    category = annotation.get("category_id")
    if not isinstance(category, int) or category < 0 or (classes is not None and category >= len(classes)):
        count = "" if classes is None else f", {len(classes)})"
        yield Problem(name, place, "category_id", f"expected a number in [0{count or ', …)'}, got {category!r}")
    try:
        box, mode = [float(value) for value in annotation["bbox"]], BoxMode(annotation["bbox_mode"])
        expected = 5 if mode == BoxMode.XYWHA_ABS else 4
        if len(box) != expected or not all(map(math.isfinite, box)):
            raise ValueError(f"expected {expected} finite numbers for {mode.name}, got {box}")
    except (KeyError, TypeError, ValueError) as error:
        yield Problem(
            name, place, "bbox, bbox_mode", f"no box: {error if isinstance(error, ValueError) else repr(error)}"
        )
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, (list, dict)) and segmentation:
        image = record if "height" in record and "width" in record else None
        for field, text in segmentation_problems(segmentation, image):
            yield Problem(name, place, field, text)
