"""The problems of datasets that have an annotation file for each image: Pascal VOC, YOLO, LabelMe."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

from detectory.data.formats.labelme.reader import labelme_content, labelme_objects
from detectory.data.formats.sources import Source, yolo_names
from detectory.data.formats.voc.reader import voc_files, voc_items
from detectory.data.formats.yolo.reader import yolo_labels
from detectory.data.images.folders import images_below
from detectory.data.problems import DatasetError, Problem

from .image_files import image_file_problems

Advance = Callable[[int, int], None]


def voc_problems(source: Source, decode: bool, advance: Advance) -> Iterator[Problem]:
    """Yield the problems of a Pascal VOC folder's XML files and images; any class is taken."""
    files = voc_files(source.path, source.split or None)
    for done, (file, image_dir) in enumerate(files, start=1):
        bad = set()
        for item in voc_items(file, image_dir, None) if Path(file).is_file() else [_missing(source, file)]:
            if isinstance(item, Problem):
                yield item
                bad.add(item.id)
                continue
            path = Path(item["file_name"])
            # The record has the objects that are not named yet.
            numbers = (number for number in itertools.count() if f"object {number}" not in bad)
            yield from image_file_problems(path, decode, item, file, "", ("filename", "size"))
            for number, annotation in zip(numbers, item["annotations"], strict=False):
                x0, y0, x1, y1 = annotation["bbox"]
                if x0 < 0 or y0 < 0 or x1 > item["width"] or y1 > item["height"]:
                    size = f"{item['width']} x {item['height']}"
                    corners = [x0 + 1, y0 + 1, x1, y1]
                    message = f"the box {corners} reaches outside the image of {size}"
                    yield Problem(file, f"object {number}", "bndbox", message)
        advance(done, len(files))


def _missing(source: Source, file: str) -> Problem:
    place = f"ImageSets/Main/{source.split}.txt"
    return Problem(str(source.path / place), f"image {Path(file).stem}", "", f"no such annotation file: {file}")


def yolo_problems(source: Source, decode: bool, advance: Advance) -> Iterator[Problem]:
    """Yield the problems of YOLO's label files and their images, and name label files without an image."""
    names = yolo_names(source)
    root = source.images or source.path
    images = images_below(root)
    labels = {path: (source.path / path.relative_to(root)).with_suffix(".txt") for path in images}
    for done, (path, file) in enumerate(labels.items(), start=1):
        yield from image_file_problems(path, decode, None, str(file), "", ("", ""))
        yield from (item for item in yolo_labels(file, len(names)) if isinstance(item, Problem))
        advance(done, len(images))
    if root != source.path:
        known = set(labels.values())
        for file in sorted(source.path.rglob("*.txt")):
            if file not in known:
                yield Problem(str(file), "", "", f"no image of this name in {root}")


def labelme_problems(source: Source, decode: bool, advance: Advance) -> Iterator[Problem]:
    """Yield the problems of LabelMe's JSON files and their images."""
    files = sorted(source.path.rglob("*.json"))
    for done, file in enumerate(files, start=1):
        try:
            content = labelme_content(file)
        except DatasetError as error:
            yield error.problem if isinstance(error.problem, Problem) else Problem(str(file), "", "", str(error))
            continue
        yield from (item for item in labelme_objects(content, file, None) if isinstance(item, Problem))
        path = file.parent / content["imagePath"].replace("\\", "/")
        height, width = content.get("imageHeight"), content.get("imageWidth")
        record = {"height": height, "width": width} if height and width else None
        yield from image_file_problems(path, decode, record, str(file), "", ("imagePath", "imageWidth, imageHeight"))
        advance(done, len(files))
