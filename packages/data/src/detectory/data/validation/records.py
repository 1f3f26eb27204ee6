"""Validation of records in the standard format: of a registered dataset or a JSON file of records."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from detectory.data.formats.coco.geometry import segmentation_problems
from detectory.data.formats.layouts import Source
from detectory.data.formats.report import ConversionReport
from detectory.data.problems import Problem
from detectory.data.sources import load_source
from detectory.structures import BoxMode

from .image_files import ImageReference, image_file_problems
from .object_checks import ObjectChecks
from .objects import object_of_annotation

_FILE_FIELDS = ("file_name", "sem_seg_file_name", "pan_seg_file_name")


def record_problems(source: Source, decode: bool, advance: Callable[[int, int], None]) -> Iterator[Problem]:
    """Yield the problems of records, images and label images."""
    report = ConversionReport()
    records, metadata = load_source(source, report)
    yield from skipped_problems(report, str(source.path))
    name, classes = str(source.path), metadata.get("thing_classes")
    # Records of semantic or panoptic segmentation have no annotations, records of test sets have empty ones.
    needs_objects = any("annotations" in record for record in records) and "test" not in source.path.stem.lower()
    checks = ObjectChecks(name, needs_objects)
    for index, record in enumerate(records):
        place = f"record {index} (image {record.get('image_id', 'without id')})"
        has_size = isinstance(record.get("height"), int) and isinstance(record.get("width"), int)
        size = (record["height"], record["width"]) if has_size else None
        for field in _FILE_FIELDS:
            if field in record or field == "file_name":
                reference = ImageReference(name, place, field, "width, height", size)
                yield from image_file_problems(Path(str(record.get(field))), decode, reference)
        for position, annotation in enumerate(record.get("annotations", [])):
            annotation_place = f"{place}: annotation {position}"
            problems = [
                Problem(name, annotation_place, field, message, rule)
                for field, message, rule in _annotation_problems(annotation, classes, record)
            ]
            yield from problems
            if problems:
                checks.count_invalid()
            else:
                mode = annotation["bbox_mode"]
                checks.add(object_of_annotation(annotation, mode, name, annotation_place, index, size))
        advance(index + 1, len(records))
    yield from checks.finish()


def skipped_problems(report: ConversionReport, file: str) -> Iterator[Problem]:
    """Yield a problem per reason for which a reader skipped objects."""
    for reason, count in report.skipped.items():
        first = f" (first: {report.examples[reason]})" if report.examples.get(reason) else ""
        yield Problem(file, "", "", f"{count} skipped: {reason}{first}", "skipped-object", count)


def _annotation_problems(
    annotation: Mapping[str, Any], classes: Sequence[str] | None, record: Mapping[str, Any]
) -> Iterator[tuple[str, str, str]]:
    """Yield `(field, message, rule)` per problem of an annotation."""
    category = annotation.get("category_id")
    if not isinstance(category, int) or category < 0 or (classes is not None and category >= len(classes)):
        expected = "an integer >= 0" if classes is None else f"an integer in [0, {len(classes)})"
        yield "category_id", f"must be {expected}, got {category!r}", "unknown-id"
    message = _box_problem(annotation)
    if message:
        yield "bbox, bbox_mode", message, "invalid-box"
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, (list, dict)) and segmentation:
        size = record if "height" in record and "width" in record else None
        yield from ((*problem, "invalid-segmentation") for problem in segmentation_problems(segmentation, size))


def _box_problem(annotation: Mapping[str, Any]) -> str | None:
    for key in ("bbox", "bbox_mode"):
        if key not in annotation:
            return f"{key!r} is missing"
    try:
        mode = BoxMode(annotation["bbox_mode"])
        box = [float(value) for value in annotation["bbox"]]
    except (TypeError, ValueError) as error:
        return f"invalid box: {error}"
    expected = 5 if mode == BoxMode.XYWHA_ABS else 4
    if len(box) != expected or not all(map(math.isfinite, box)):
        return f"must be {expected} finite numbers for {mode.name}, got {box}"
    return None
