"""Validation of YOLO folders."""

from collections.abc import Callable, Iterator

from detectory.data.formats.layouts import Source, find_yolo_class_names
from detectory.data.formats.yolo.reader import parse_label_file
from detectory.data.images.folders import images_below
from detectory.data.problems import Problem

from .image_files import ImageReference, image_file_problems


def yolo_problems(source: Source, decode: bool, advance: Callable[[int, int], None]) -> Iterator[Problem]:
    """Yield the problems in the label files and the images of a YOLO folder, and label files without an image."""
    names = find_yolo_class_names(source)
    root = source.images or source.path
    images = images_below(root)
    labels = {path: (source.path / path.relative_to(root)).with_suffix(".txt") for path in images}
    for done, (path, file) in enumerate(labels.items(), start=1):
        yield from image_file_problems(path, decode, ImageReference(str(file)))
        yield from (item for item in parse_label_file(file, len(names)) if isinstance(item, Problem))
        advance(done, len(images))
    if root != source.path:
        known = set(labels.values())
        for file in sorted(source.path.rglob("*.txt")):
            if file not in known:
                yield Problem(str(file), "", "", f"no image with the same name in {root}")
