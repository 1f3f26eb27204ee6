"""Validation of Pascal VOC folders."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

from detectory.data.formats.layouts import Source
from detectory.data.formats.voc.reader import parse_voc_file, voc_files
from detectory.data.problems import Problem
from detectory.structures import BoxMode

from .image_files import ImageReference, image_file_problems
from .object_checks import ObjectChecks
from .objects import is_test_set, object_of_annotation


def voc_problems(source: Source, decode: bool, advance: Callable[[int, int], None]) -> Iterator[Problem]:
    """Yield the problems in the XML files and the images of a Pascal VOC folder. All class names are accepted."""
    files = voc_files(source.path, source.voc_list)
    checks = ObjectChecks(str(source.path), needs_objects=not is_test_set(source))
    for done, (file, image_dir) in enumerate(files, start=1):
        if Path(file).is_file():
            yield from _file_problems(file, image_dir, decode, checks)
        else:
            list_file = source.path / "ImageSets" / "Main" / f"{source.split}.txt"
            message = f"annotation file {file} does not exist"
            yield Problem(str(list_file), f"image {Path(file).stem}", "", message, "invalid-file")
        advance(done, len(files))
    yield from checks.finish()


def _file_problems(file: str, image_dir: str, decode: bool, checks: ObjectChecks) -> Iterator[Problem]:
    invalid = set()
    for item in parse_voc_file(file, image_dir, None):
        if isinstance(item, Problem):
            yield item
            checks.count_invalid()
            invalid.add(item.id)
            continue
        size = item["height"], item["width"]
        yield from image_file_problems(
            Path(item["file_name"]), decode, ImageReference(file, "", "filename", "size", size)
        )
        # The record contains only the valid objects, in the order of the file.
        valid_objects = (index for index in itertools.count() if f"object {index}" not in invalid)
        for index, annotation in zip(valid_objects, item["annotations"], strict=False):
            checked = object_of_annotation(annotation, annotation["bbox_mode"], file, f"object {index}", file, size)
            if annotation["bbox_mode"] == BoxMode.XYXY_ABS:
                x1, y1, x2, y2 = annotation["bbox"]
                # In the file, coordinates count from 1.
                checked = dataclasses.replace(checked, stored_box=[x1 + 1, y1 + 1, x2, y2], box_field="bndbox")
            checks.add(checked)
