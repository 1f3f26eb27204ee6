"""Validation rules of COCO's panoptic format."""

from collections.abc import Collection, Iterator
from typing import Any

from detectory.data.formats.coco.problems import category_problems, file_problems, is_id
from detectory.data.formats.file_names import file_name_problem
from detectory.data.problems import Problem
from detectory.structures.panoptic_ids import MAX_SEGMENT_ID


def panoptic_problems(content: Any, file: str, categories: Collection[Any]) -> Iterator[Problem]:
    """Yield the problems of a panoptic file; if its structure is invalid, only those.

    Args:
        content: The parsed file.
        file: The name of the file.
        categories: The valid category ids.
    """
    lists = ("images", "annotations") if isinstance(content, dict) and "images" in content else ("annotations",)
    structural = list(file_problems(content, file, lists))
    yield from structural
    if not structural:
        for index, annotation in enumerate(content["annotations"]):
            yield from panoptic_annotation_problems(annotation, file, index, categories)


def panoptic_annotation_problems(
    annotation: dict[str, Any], file: str, index: int, categories: Collection[Any] | None
) -> Iterator[Problem]:
    """Yield the problems of the annotation of one image; `categories=None` accepts all category ids."""
    image_id = annotation.get("image_id")
    place = f"annotation of image {image_id}" if is_id(image_id) else f"annotations[{index}]"
    if not is_id(image_id):
        yield Problem(file, place, "image_id", f"must be an integer or a string, got {image_id!r}")
    message = file_name_problem(annotation.get("file_name"))
    if message:
        yield Problem(file, place, "file_name", message)
    segments = annotation.get("segments_info")
    if not isinstance(segments, list):
        yield Problem(file, place, "segments_info", f"must be a list, got {type(segments).__name__}")
        return
    seen: set[int] = set()
    for position, segment in enumerate(segments):
        if not isinstance(segment, dict):
            yield Problem(file, place, f"segments_info[{position}]", f"must be an object, got {segment!r}")
            continue
        for field, message, rule in _segment_problems(segment, seen, categories):
            yield Problem(file, place, f"segments_info.{field}", message, rule)


def _segment_problems(
    segment: dict[str, Any], seen: set[int], categories: Collection[Any] | None
) -> Iterator[tuple[str, str, str]]:
    """Yield `(field, message, rule)` per problem, and add the id of the segment to `seen`."""
    segment_id, category = segment.get("id"), segment.get("category_id")
    if type(segment_id) is not int or not 0 < segment_id <= MAX_SEGMENT_ID:
        yield "id", f"must be an integer in [1, 2^24), got {segment_id!r}", "invalid-value"
    elif segment_id in seen:
        yield "id", f"duplicate id {segment_id}", "duplicate-id"
    else:
        seen.add(segment_id)
    if not is_id(category) or (categories is not None and category not in categories):
        yield "category_id", f"segment {segment_id!r}: no category has the id {category!r}", "unknown-id"
    if segment.get("iscrowd", 0) not in (0, 1):
        yield "iscrowd", f"segment {segment_id!r}: must be 0 or 1, got {segment['iscrowd']!r}", "invalid-value"


def panoptic_category_problems(category: dict[str, Any], file: str) -> Iterator[Problem]:
    """Yield the problems of a category of a panoptic file."""
    yield from category_problems(category, file)
    if category.get("isthing") not in (0, 1):
        message = f"must be 0 or 1, got {category.get('isthing')!r}"
        yield Problem(file, f"category {category['id']}", "isthing", message)
