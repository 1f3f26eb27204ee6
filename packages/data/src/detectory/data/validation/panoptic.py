"""Validation of annotation files in COCO's panoptic format and of their PNG files."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from detectory.data.formats.coco.problems import duplicate_problems, file_problems, image_problems, is_id
from detectory.data.formats.layouts import Source, panoptic_folders
from detectory.data.formats.panoptic.problems import (
    panoptic_annotation_problems,
    panoptic_category_problems,
    panoptic_problems,
)
from detectory.data.problems import Problem

from .coco_rules import category_rule_problems
from .image_files import ImageReference, image_file_problems
from .objects import is_test_set
from .panoptic_pixels import segment_file_problems

# Annotations that are compared with the pixels of their PNG files without `decode`, to bound the time.
_MAX_COMPARED = 500


def panoptic_file_problems(
    source: Source, content: Any, decode: bool, advance: Callable[[int, int], None]
) -> Iterator[Problem]:
    """Yield the problems in an annotation file, its images and PNG files; if the structure is invalid, only those."""
    name = str(source.path)
    structural = list(file_problems(content, name, ("images", "annotations", "categories")))
    yield from structural
    if structural:
        return
    images, annotations, categories = content["images"], content["annotations"], content["categories"]
    yield from duplicate_problems(images, name, "image")
    yield from duplicate_problems(categories, name, "category")
    for category in categories:
        yield from panoptic_category_problems(category, name)
    yield from category_rule_problems(categories, name)
    yield from panoptic_problems(content, name, {category["id"] for category in categories})
    valid_sizes = {}
    for image in images:
        problems = list(image_problems(image, name))
        yield from problems
        if not problems:
            valid_sizes[image["id"]] = (image["height"], image["width"])
    image_dir, segment_dir = panoptic_folders(source, annotations)
    yield from _image_reference_problems(images, annotations, name)
    image_ids = {image["id"] for image in images}
    compared = 0
    for index, annotation in enumerate(annotations):
        image_id = annotation.get("image_id")
        place = f"annotation of image {image_id}"
        if not is_id(image_id) or image_id not in image_ids:
            yield Problem(name, place, "image_id", f"no image has the id {image_id!r}", "unknown-id")
        elif not any(panoptic_annotation_problems(annotation, name, index, categories=None)):
            reference = ImageReference(name, place, "file_name", "width, height", valid_sizes.get(image_id))
            image = image_dir / f"{Path(annotation['file_name']).stem}.jpg"
            yield from image_file_problems(image, decode, reference)
            png = segment_dir / annotation["file_name"]
            with_pixels = decode or compared < _MAX_COMPARED
            compared += 1
            yield from segment_file_problems(png, annotation["segments_info"], with_pixels, reference)
        advance(index + 1, len(annotations))
    if not is_test_set(source) and not any(annotation.get("segments_info") for annotation in annotations):
        yield Problem(name, "", "annotations", "no annotation has segments", "no-objects", len(annotations))


def _image_reference_problems(
    images: list[dict[str, Any]], annotations: list[dict[str, Any]], name: str
) -> Iterator[Problem]:
    """Yield images with several annotations or without one, and PNG files that several annotations use."""
    for field, rule in (("image_id", "duplicate-id"), ("file_name", "duplicate-id")):
        values = [annotation.get(field) for annotation in annotations if isinstance(annotation.get(field), (int, str))]
        for value, count in Counter(values).items():
            if count > 1:
                message = f"{count} annotations have the {field} {value!r}, expected one"
                yield Problem(name, f"annotation of image {value}" if field == "image_id" else "", field, message, rule)
    annotated = {annotation.get("image_id") for annotation in annotations if is_id(annotation.get("image_id"))}
    for image in images:
        if image["id"] not in annotated:
            yield Problem(name, f"image {image['id']}", "", "has no annotation", "image-without-annotation")
