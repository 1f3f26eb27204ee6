"""Validation of YOLO folders."""

from collections.abc import Callable, Iterator

from detectory.data.formats.layouts import Source, find_yolo_config
from detectory.data.formats.yolo.images import images_with_labels, labels_without_image
from detectory.data.formats.yolo.reader import parse_label_file
from detectory.data.images.reading import image_size_of_file
from detectory.data.problems import Problem

from .image_files import ImageReference, image_file_problems
from .object_checks import ObjectChecks
from .objects import CheckedObject, is_test_set


def yolo_problems(source: Source, decode: bool, advance: Callable[[int, int], None]) -> Iterator[Problem]:
    """Yield the problems in the label files and the images of a YOLO folder, and label files without an image."""
    config = find_yolo_config(source)
    root = source.images or source.path
    images = images_with_labels(root, source.path, source.list_file)
    checks = ObjectChecks(str(source.path), needs_objects=not is_test_set(source))
    for done, (path, file) in enumerate(images, start=1):
        image_problems = list(image_file_problems(path, decode, ImageReference(str(file))))
        yield from image_problems
        size = None if image_problems else image_size_of_file(path)
        for index, item in enumerate(parse_label_file(file, len(config.names), config.keypoint_shape)):
            if isinstance(item, Problem):
                yield item
                checks.count_invalid()
            else:
                category, values = item
                shape = values if config.keypoint_shape is None else values[:4]
                checks.add(_checked_object(category, shape, str(file), f"object {index}", size))
        advance(done, len(images))
    yield from checks.finish()
    if root != source.path:
        for file in labels_without_image(source.path, images):
            yield Problem(str(file), "", "", f"no image with the same name in {root}", "label-without-image")


def _checked_object(
    category: int, values: list[float], file: str, place: str, size: tuple[int, int] | None
) -> CheckedObject:
    """Return the object of a line; without an image size, coordinates stay relative and are not checked."""
    height, width = size or (1, 1)
    absolute = [value * (height if position % 2 else width) for position, value in enumerate(values)]
    if len(values) == 4:
        x, y, w, h = absolute
        box, polygons = (x - w / 2, y - h / 2, x + w / 2, y + h / 2), []
    else:
        xs, ys = absolute[0::2], absolute[1::2]
        box, polygons = (min(xs), min(ys), max(xs), max(ys)), [absolute]
    return CheckedObject(
        file, place, file, category, box, size, polygons, stored_box=values, box_field="", mask_field=""
    )
