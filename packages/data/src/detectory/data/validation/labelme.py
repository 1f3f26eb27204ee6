"""Validation of LabelMe folders."""

from collections.abc import Callable, Iterator

from detectory.data.formats.labelme.reader import LabelmeObject, image_path, labelme_objects, read_labelme_file
from detectory.data.formats.layouts import Source
from detectory.data.formats.report import ConversionReport
from detectory.data.images.folders import files_below
from detectory.data.problems import DatasetError, Problem

from .image_files import ImageReference, image_file_problems
from .object_checks import ObjectChecks
from .objects import CheckedObject, is_test_set
from .records import skipped_problems


def labelme_problems(source: Source, decode: bool, advance: Callable[[int, int], None]) -> Iterator[Problem]:
    """Yield the problems in the JSON files and the images of a LabelMe folder. All labels are accepted."""
    files = files_below(source.path, "*.json")
    report = ConversionReport()
    checks = ObjectChecks(str(source.path), needs_objects=not is_test_set(source))
    for done, file in enumerate(files, start=1):
        try:
            content = read_labelme_file(file)
        except DatasetError as error:
            yield error.problem if isinstance(error.problem, Problem) else Problem(str(file), "", "", str(error))
            checks.count_invalid()
            continue
        height, width = content.get("imageHeight"), content.get("imageWidth")
        size = (height, width) if height and width else None
        reference = ImageReference(str(file), "", "imagePath", "imageWidth, imageHeight", size)
        yield from image_file_problems(image_path(file, content), decode, reference)
        for index, item in enumerate(labelme_objects(content, file, None, report, skips_unknown=False)):
            if isinstance(item, Problem):
                yield item
                checks.count_invalid()
            else:
                checks.add(_checked_object(item, str(file), index, size))
        advance(done, len(files))
    yield from skipped_problems(report, str(source.path))
    yield from checks.finish()


def _checked_object(item: LabelmeObject, file: str, index: int, size: tuple[int, int] | None) -> CheckedObject:
    place = f"object {index} ({item.label})"
    return CheckedObject(file, place, file, item.label, None, size, item.polygons, mask_field="points")
