"""The problems of annotation files in COCO's and in LVIS's format."""

from collections.abc import Callable, Iterator
from typing import Any

from detectory.data.formats.coco.problems import (
    annotation_problems,
    category_problems,
    duplicate_problems,
    file_name_problem,
    file_problems,
    image_problems,
)
from detectory.data.formats.lvis import lvis_file_name
from detectory.data.formats.sources import Source, find_image_root
from detectory.data.problems import Problem

from .image_files import image_file_problems

_KINDS = {"images": "image", "categories": "category", "annotations": "annotation"}


def coco_problems(source: Source, content: Any, decode: bool, advance: Callable[[int, int], None]) -> Iterator[Problem]:
    """Yield the problems of one annotation file and of its images."""
    name, is_lvis = str(source.path), source.format == "lvis"
    has_annotations = not is_lvis or (isinstance(content, dict) and "annotations" in content)
    lists = ("images", "annotations", "categories") if has_annotations else ("images", "categories")
    structural = list(file_problems(content, name, lists))
    yield from structural
    if structural:
        return
    records: dict[str, list[dict[str, Any]]] = {kind: content[kind] for kind in lists}
    annotations, images = records.get("annotations", []), records["images"]
    for one, kind in _KINDS.items():
        yield from duplicate_problems([record for record in records.get(one, []) if "id" in record], name, kind)
    for category in records["categories"]:
        yield from category_problems(category, name)
    ids = {category["id"] for category in records["categories"]}
    file_names = {image["id"]: lvis_file_name(image) if is_lvis else image.get("file_name") for image in images}
    root = source.images or find_image_root(
        source.path, [text for text in file_names.values() if isinstance(text, str)]
    )
    total, done = len(images) + len(annotations) + len(ids), len(ids)
    for image in images:
        place, file_name = f"image {image['id']}", file_names[image["id"]]
        bad = list(image_problems(image, name, needs_file_name=not is_lvis))
        message = file_name_problem(file_name) if is_lvis else None
        if message:
            bad.append(Problem(name, place, "coco_url" if "coco_url" in image else "file_name", message))
        yield from bad
        yield from _category_list_problems(image, name, ids) if is_lvis else ()
        if not any(problem.field in ("file_name", "coco_url") for problem in bad):
            fields = ("coco_url" if is_lvis and "coco_url" in image else "file_name", "width, height")
            yield from image_file_problems(root / str(file_name), decode, None if bad else image, name, place, fields)
        done += 1
        advance(done, total)
    by_id = {image["id"]: image for image in images}
    for number, annotation in enumerate(annotations):
        yield from annotation_problems(annotation, name, number, by_id, ids)
        if is_lvis and not annotation.get("segmentation"):
            place = f"annotation {annotation.get('id', f'number {number}')}"
            yield Problem(name, place, "segmentation", "every annotation of LVIS has polygons, got none")
        done += 1
        if done % 1000 == 0:
            advance(done, total)
    advance(total, total)


def _category_list_problems(image: dict[str, Any], name: str, ids: set) -> Iterator[Problem]:
    """Yield the problems of the lists that say which classes an image was searched for."""
    for key in ("neg_category_ids", "not_exhaustive_category_ids"):
        listed = image.get(key, [])
        if not isinstance(listed, list):
            yield Problem(name, f"image {image['id']}", key, f"expected a list, got {type(listed).__name__}")
            continue
        strange = [category for category in listed if not isinstance(category, int) or category not in ids]
        if strange:
            yield Problem(name, f"image {image['id']}", key, f"no category has the id {strange[0]!r}")
