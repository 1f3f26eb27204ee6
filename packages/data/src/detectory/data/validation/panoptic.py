"""Validation of annotation files in COCO's panoptic format and of their PNG files."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from detectory.data.formats.coco.problems import duplicate_problems, file_problems, image_problems, is_id
from detectory.data.formats.layouts import Source, panoptic_folders
from detectory.data.formats.panoptic.png import read_panoptic_png
from detectory.data.formats.panoptic.problems import (
    panoptic_annotation_problems,
    panoptic_category_problems,
    panoptic_problems,
)
from detectory.data.images.errors import ImageReadError
from detectory.data.problems import Problem

from .coco_rules import category_rule_problems
from .image_files import ImageReference, image_file_problems
from .objects import is_test_set


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
    image_ids = {image["id"] for image in images}
    for index, annotation in enumerate(annotations):
        image_id = annotation.get("image_id")
        place = f"annotation of image {image_id}"
        if not is_id(image_id) or image_id not in image_ids:
            yield Problem(name, place, "image_id", f"no image has the id {image_id!r}", "unknown-id")
        elif not any(panoptic_annotation_problems(annotation, name, index, categories=None)):
            reference = ImageReference(name, place, "file_name", "width, height", valid_sizes.get(image_id))
            yield from _annotation_files_problems(annotation, image_dir, segment_dir, decode, reference)
        advance(index + 1, len(annotations))
    if not is_test_set(source) and not any(annotation.get("segments_info") for annotation in annotations):
        yield Problem(name, "", "annotations", "no annotation has segments", "no-objects", len(annotations))


def _annotation_files_problems(
    annotation: dict[str, Any], image_dir: Path, segment_dir: Path, decode: bool, reference: ImageReference
) -> Iterator[Problem]:
    """Yield the problems of the image and the PNG file of a valid annotation."""
    image = image_dir / f"{Path(annotation['file_name']).stem}.jpg"
    png = segment_dir / annotation["file_name"]
    yield from image_file_problems(image, decode, reference)
    problems = list(image_file_problems(png, False, reference))
    yield from problems
    if not decode or problems:
        return
    try:
        ids = read_panoptic_png(png)
    except (ImageReadError, OSError) as error:
        yield Problem(str(png), reference.place, "", str(error).removeprefix(f"{png}: "), "damaged-image")
        return
    yield from _pixel_problems(ids, annotation["segments_info"], png, reference)


def _pixel_problems(
    ids: np.ndarray, segments: list[dict[str, Any]], png: Path, reference: ImageReference
) -> Iterator[Problem]:
    """Compare the ids in a PNG file with the segments of its annotation."""
    name, place = reference.file, reference.place
    values, counts = np.unique(ids, return_counts=True)
    pixels_of = dict(zip(values.tolist(), counts.tolist(), strict=True))
    pixels_of.pop(0, None)  # unlabelled pixels
    for segment in segments:
        pixels = pixels_of.pop(segment["id"], None)
        if pixels is None:
            message = f"segment {segment['id']} has no pixels in {png}"
            yield Problem(name, place, "segments_info.id", message, "segment-pixels")
        elif "area" in segment and segment["area"] != pixels:
            message = f"segment {segment['id']} has area {segment['area']!r}, but {pixels} pixels in {png}"
            yield Problem(name, place, "segments_info.area", message, "segment-pixels")
    for value, pixels in pixels_of.items():
        message = f"{pixels} pixels in {png} have the id {value}, which is not in segments_info"
        yield Problem(name, place, "segments_info.id", message, "segment-pixels")
