"""Validation rules of COCO's annotation format, one function per part of a file.

The functions return or yield what is wrong and never raise, so that callers decide: readers stop at the first problem
or skip the record, `check_dataset` collects all problems.
"""

import itertools
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from detectory.core.text import short_repr
from detectory.data.formats.file_names import file_name_problem
from detectory.data.problems import Problem

from .geometry import box_problem, keypoints_problem, outside_problem, segmentation_problems

# Larger sides are typing errors or attacks on the memory of the reader.
MAX_SIDE = 1_000_000
#: Ids from here on do not fit into the integers of the metrics.
MAX_ID = 1 << 63


def is_id(value: Any) -> bool:
    """Return whether a value can be the id of an image, a category or an annotation: an integer or a string."""
    return isinstance(value, (int, str)) and not isinstance(value, bool)


def category_id_problem(value: Any) -> str | None:
    """Return why evaluation rejects a category id, or None: metrics store ids as 64-bit integers of at least 0."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MAX_ID:
        return None
    return f"must be an integer in [0, 2^63), got {short_repr(value)}"


def file_problems(
    content: Any, file: str, lists: tuple[str, ...] = ("images", "annotations", "categories")
) -> Iterator[Problem]:
    """Yield problems in the structure of a file: missing lists, elements that are not objects, missing ids."""
    if not isinstance(content, dict):
        yield Problem(
            file, "", "", f"not a COCO file: expected a JSON object, got {type(content).__name__}", "invalid-file"
        )
        return
    for name in lists:
        if name not in content:
            keys = short_repr(sorted(content))
            yield Problem(
                file, "", name, f"not a COCO file: the list {name!r} is missing, found only {keys}", "invalid-file"
            )
            continue
        if not isinstance(content[name], list):
            got = type(content[name]).__name__
            yield Problem(file, "", name, f"not a COCO file: {name!r} must be a list, got {got}", "invalid-file")
            continue
        for index, record in enumerate(content[name]):
            place = f"{name}[{index}]"
            if not isinstance(record, dict):
                yield Problem(file, place, "", f"must be an object, got {short_repr(record)}")
            elif name != "annotations" and not is_id(record.get("id")):
                yield Problem(file, place, "id", f"must be an integer or a string, got {short_repr(record.get('id'))}")


def first_problem(content: Any, file: str) -> Problem | None:
    """Return the first problem in a whole COCO dataset, or None. Image files and their names are not checked."""
    for problem in file_problems(content, file):
        return problem
    images = {image["id"]: image for image in content["images"]}
    categories = {category["id"] for category in content["categories"]}
    problems = (
        *(duplicate_problems(content[f"{record_type}s"], file, record_type) for record_type in ("image", "annotation")),
        *(image_problems(image, file, needs_file_name=False) for image in content["images"]),
        *(category_problems(category, file) for category in content["categories"]),
        *(
            annotation_problems(annotation, file, index, images, categories)
            for index, annotation in enumerate(content["annotations"])
        ),
    )
    return next(itertools.chain.from_iterable(problems), None)


def duplicate_problems(records: list[dict[str, Any]], file: str, record_type: str) -> Iterator[Problem]:
    """Yield a problem per record that repeats the id of an earlier record. Invalid ids are ignored."""
    seen = set()
    for record in records:
        if not is_id(record.get("id")):
            continue
        if record["id"] in seen:
            yield Problem(file, f"{record_type} {record['id']}", "id", "duplicate id", "duplicate-id")
        seen.add(record["id"])


def category_problems(category: dict[str, Any], file: str) -> Iterator[Problem]:
    """Yield the problems of a category with a valid id."""
    if not isinstance(category.get("name"), str):
        yield Problem(
            file, f"category {category['id']}", "name", f"must be a string, got {short_repr(category.get('name'))}"
        )


def image_problems(image: dict[str, Any], file: str, needs_file_name: bool = True) -> Iterator[Problem]:
    """Yield the problems of an image record with a valid id."""
    place = f"image {image['id']}"
    if needs_file_name or "file_name" in image:
        message = file_name_problem(image.get("file_name"))
        if message:
            yield Problem(file, place, "file_name", message)
    for side in ("height", "width"):
        value = image.get(side)
        if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
            yield Problem(file, place, side, f"must be a positive number of pixels, got {short_repr(value)}")
        elif value > MAX_SIDE:
            message = f"must be at most {MAX_SIDE} pixels, got {value}: the size is implausible"
            yield Problem(file, place, side, message, "implausible-size")


def annotation_place(annotation: Mapping[str, Any], index: int) -> str:
    """Return the name of an annotation in messages: its id or, without a valid id, its index in the file."""
    return f"annotation {annotation['id']}" if is_id(annotation.get("id")) else f"annotations[{index}]"


def annotation_problems(
    annotation: dict[str, Any],
    file: str,
    index: int,
    images: Mapping[Any, dict[str, Any]],
    categories: Collection[Any],
) -> Iterator[Problem]:
    """Yield the problems of an annotation.

    Args:
        annotation: The annotation.
        file: The annotation file.
        index: The index of the annotation in the file, which identifies annotations without an id.
        images: The image records by id.
        categories: The category ids of the file.
    """
    place = annotation_place(annotation, index)
    # Neither training nor evaluation needs ids of annotations, so null counts as missing.
    if annotation.get("id") is not None and not is_id(annotation["id"]):
        yield Problem(file, place, "id", f"must be an integer or a string, got {short_repr(annotation['id'])}")
    image_id, category = annotation.get("image_id"), annotation.get("category_id")
    image = images.get(image_id) if is_id(image_id) else None
    if image is None:
        yield Problem(file, place, "image_id", f"no image has the id {short_repr(image_id)}", "unknown-id")
    if not is_id(category) or category not in categories:
        yield Problem(file, place, "category_id", f"no category has the id {short_repr(category)}", "unknown-id")
    if annotation.get("iscrowd", 0) not in (0, 1):
        yield Problem(file, place, "iscrowd", f"must be 0 or 1, got {short_repr(annotation['iscrowd'])}")
    if message := box_problem(annotation.get("bbox")):
        yield Problem(file, place, "bbox", message, "invalid-box")
    elif message := outside_problem(annotation["bbox"], image):
        yield Problem(file, place, "bbox", message, "box-outside-image")
    if annotation.get("segmentation"):
        for field, text in segmentation_problems(annotation["segmentation"], image):
            yield Problem(file, place, field, text, "invalid-segmentation")
    if "keypoints" in annotation:
        message = keypoints_problem(annotation["keypoints"])
        if message:
            yield Problem(file, place, "keypoints", message, "invalid-keypoints")
