"""Validation of annotation files in COCO and LVIS format."""

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from detectory.core.text import short_repr
from detectory.data.formats.coco.geometry import stored_box
from detectory.data.formats.coco.problems import (
    annotation_place,
    annotation_problems,
    category_problems,
    duplicate_problems,
    file_problems,
    image_problems,
)
from detectory.data.formats.file_names import file_name_problem, portable_name
from detectory.data.formats.image_names import ImageNames
from detectory.data.formats.layouts import Source, find_image_root
from detectory.data.formats.lvis import lvis_file_name, mask_problems
from detectory.data.problems import Problem

from .coco_rules import annotation_rule_problems, category_rule_problems, named_keypoints
from .image_files import ImageReference, image_file_problems
from .object_checks import ObjectChecks
from .objects import is_test_set, object_of_annotation
from .rules import RULES

_RECORD_TYPES = {"images": "image", "categories": "category", "annotations": "annotation"}
_ANNOTATIONS_PER_REPORT = 1000


def coco_problems(source: Source, content: Any, decode: bool, advance: Callable[[int, int], None]) -> Iterator[Problem]:
    """Yield the problems in an annotation file and its images; if the structure of the file is invalid, only those."""
    name, is_lvis = str(source.path), source.format == "lvis"
    # The test sets of LVIS have no list of annotations.
    has_annotations = not is_lvis or (isinstance(content, dict) and "annotations" in content)
    lists = ("images", "annotations", "categories") if has_annotations else ("images", "categories")
    structural = list(file_problems(content, name, lists))
    yield from structural
    if structural:
        return
    records: dict[str, list[dict[str, Any]]] = {key: content[key] for key in lists}
    annotations = records.get("annotations", [])
    for key, record_type in _RECORD_TYPES.items():
        yield from duplicate_problems(records.get(key, []), name, record_type)
    for category in records["categories"]:
        yield from category_problems(category, name)
    yield from category_rule_problems(records["categories"], name)
    categories = {category["id"] for category in records["categories"]}
    done, total = len(categories), len(categories) + len(records["images"]) + len(annotations)
    root = _image_root(source, records["images"], is_lvis)
    images, renamed = (records["images"], []) if is_lvis else _with_found_names(records["images"], name, root)
    yield from renamed
    for image in images:
        yield from _image_problems(image, name, root, decode, categories, is_lvis)
        done += 1
        advance(done, total)
    yield from _duplicate_files(images, name)
    images_by_id = {image["id"]: image for image in images}
    checks = ObjectChecks(name, needs_objects=has_annotations and not is_test_set(source), may_have_corner_boxes=True)
    for category, count in named_keypoints(records["categories"]).items():
        checks.expect_keypoints(category, count)
    for index, annotation in enumerate(annotations):
        problems = list(annotation_problems(annotation, name, index, images_by_id, categories))
        if is_lvis:
            problems += mask_problems(annotation, name, index)
        problems += annotation_rule_problems(annotation, name, index)
        yield from (_with_value(problem, annotation) for problem in problems)
        if any(RULES[problem.rule].severity == "error" for problem in problems):
            checks.count_invalid()
        else:
            image = images_by_id[annotation["image_id"]]
            place = annotation_place(annotation, index)
            box, mode = stored_box(annotation)
            item = {**annotation, "bbox": box}
            checks.add(object_of_annotation(item, mode, name, place, image["id"], _size(image)))
        done += 1
        if done % _ANNOTATIONS_PER_REPORT == 0:
            advance(done, total)
    yield from checks.finish()
    advance(total, total)


def _with_found_names(
    images: list[dict[str, Any]], file: str, root: Path
) -> tuple[list[dict[str, Any]], list[Problem]]:
    """Return the images with the names that training uses, and the problems of the names that were replaced."""
    names, result, problems = ImageNames(Path(file), root), [], []
    for image in images:
        name = image.get("file_name")
        if isinstance(name, str) and (found := names(name)) != name:
            image = {**image, "file_name": found}
            message = f"is not relative to the image folder; {root / found} is used, got {short_repr(name)}"
            problems.append(Problem(file, f"image {image['id']}", "file_name", message, "image-name", name))
        result.append(image)
    return result, problems


def _duplicate_files(images: list[dict[str, Any]], file: str) -> Iterator[Problem]:
    """Yield the images with the file name of an earlier image."""
    seen: dict[Any, Any] = {}
    for image in images:
        name = image.get("file_name")
        if isinstance(name, str) and seen.setdefault(portable_name(name), image["id"]) != image["id"]:
            message = f"{name!r} is also the file of image {seen[portable_name(name)]}"
            yield Problem(file, f"image {image['id']}", "file_name", message, "duplicate-image", name)


def _with_value(problem: Problem, record: Mapping[str, Any]) -> Problem:
    return dataclasses.replace(problem, value=record.get(problem.field.partition("[")[0]))


def _size(image: Mapping[str, Any]) -> tuple[int, int] | None:
    return None if any(image_problems(dict(image), "", needs_file_name=False)) else (image["height"], image["width"])


def _image_root(source: Source, images: list[dict[str, Any]], is_lvis: bool) -> Path:
    if source.images is not None:
        return source.images
    names = (lvis_file_name(image) if is_lvis else image.get("file_name") for image in images)
    return find_image_root(source.path, [name for name in names if isinstance(name, str)])


def _image_problems(
    image: dict[str, Any], name: str, root: Path, decode: bool, categories: Collection[Any], is_lvis: bool
) -> Iterator[Problem]:
    """Yield the problems of an image record, and of the image file if its name is valid."""
    place = f"image {image['id']}"
    name_field = "coco_url" if is_lvis and "coco_url" in image else "file_name"
    file_name = lvis_file_name(image) if is_lvis else image.get("file_name")
    problems = list(image_problems(image, name, needs_file_name=not is_lvis))
    if is_lvis and (message := file_name_problem(file_name)):
        problems.append(Problem(name, place, name_field, message))
    yield from (_with_value(problem, image) for problem in problems)
    if is_lvis:
        yield from _category_list_problems(image, name, categories)
    if not any(problem.field in ("file_name", "coco_url") for problem in problems):
        size = None if problems else (image["height"], image["width"])
        reference = ImageReference(name, place, name_field, "width, height", size)
        yield from image_file_problems(root / portable_name(str(file_name)), decode, reference)


def _category_list_problems(image: Mapping[str, Any], name: str, categories: Collection[Any]) -> Iterator[Problem]:
    """Yield the problems of LVIS's lists of verified categories per image."""
    for key in ("neg_category_ids", "not_exhaustive_category_ids"):
        ids = image.get(key, [])
        if not isinstance(ids, list):
            yield Problem(name, f"image {image['id']}", key, f"must be a list, got {type(ids).__name__}")
            continue
        unknown = [category for category in ids if not isinstance(category, int) or category not in categories]
        if unknown:
            yield Problem(name, f"image {image['id']}", key, f"no category has the id {unknown[0]!r}")
