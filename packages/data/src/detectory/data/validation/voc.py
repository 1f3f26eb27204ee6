"""Validation of Pascal VOC folders."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from detectory.data.formats.layouts import Source
from detectory.data.formats.voc.reader import parse_voc_file, voc_files
from detectory.data.problems import Problem

from .image_files import ImageReference, image_file_problems


def voc_problems(source: Source, decode: bool, advance: Callable[[int, int], None]) -> Iterator[Problem]:
    """Yield the problems in the XML files and the images of a Pascal VOC folder. All class names are accepted."""
    files = voc_files(source.path, source.split or None)
    for done, (file, image_dir) in enumerate(files, start=1):
        if Path(file).is_file():
            yield from _file_problems(file, image_dir, decode)
        else:
            list_file = source.path / "ImageSets" / "Main" / f"{source.split}.txt"
            message = f"annotation file {file} does not exist"
            yield Problem(str(list_file), f"image {Path(file).stem}", "", message)
        advance(done, len(files))


def _file_problems(file: str, image_dir: str, decode: bool) -> Iterator[Problem]:
    invalid = set()
    for item in parse_voc_file(file, image_dir, None):
        if isinstance(item, Problem):
            yield item
            invalid.add(item.id)
            continue
        reference = ImageReference(file, "", "filename", "size", size=(item["height"], item["width"]))
        yield from image_file_problems(Path(item["file_name"]), decode, reference)
        # The record contains only the valid objects, in the order of the file.
        valid_objects = (index for index in itertools.count() if f"object {index}" not in invalid)
        for index, annotation in zip(valid_objects, item["annotations"], strict=False):
            message = _box_problem(annotation["bbox"], item)
            if message:
                yield Problem(file, f"object {index}", "bndbox", message)


def _box_problem(box: list[float], record: dict[str, Any]) -> str | None:
    x1, y1, x2, y2 = box
    width, height = record["width"], record["height"]
    if x1 >= 0 and y1 >= 0 and x2 <= width and y2 <= height:
        return None
    return f"box {[x1 + 1, y1 + 1, x2, y2]} exceeds the image of {width} x {height} pixels"
