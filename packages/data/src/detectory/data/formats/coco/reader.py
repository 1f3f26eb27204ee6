"""Datasets in COCO's format: instances, keypoints."""

import logging
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from detectory.data.catalog import Metadata, MetadataCatalog
from detectory.data.formats.json_file import read_json
from detectory.data.problems import DatasetError, Problem, raise_first
from detectory.structures import BoxMode

from .problems import (
    annotation_problems,
    category_problems,
    compressed,
    duplicate_problems,
    file_problems,
    image_problems,
)

logger = logging.getLogger(__name__)


def contiguous_categories(categories: Sequence[dict[str, Any]]) -> tuple[list[str], dict[int, int]]:
    """Order categories by id and number them from 0.

    Returns:
        The names, and the map from ids of the file to contiguous ids.
    """
    ordered = sorted(categories, key=lambda category: numbers_first(category["id"]))
    return [category["name"] for category in ordered], {c["id"]: number for number, c in enumerate(ordered)}


def set_thing_metadata(metadata: Metadata, names: list[str], id_map: dict[int, int]) -> None:
    """Put class names and ids into a dataset's metadata, if they are not there yet."""
    if "thing_classes" not in metadata.as_dict():
        metadata.thing_classes = names
    elif list(metadata.thing_classes) != names:
        # The names that somebody set stay; ids still follow the file.
        logger.warning("dataset %s: thing_classes differ from the names in its file", metadata.name)
    if metadata.get("thing_dataset_id_to_contiguous_id") != id_map:
        metadata.thing_dataset_id_to_contiguous_id = id_map


def load_coco_json(
    json_file: str | os.PathLike[str],
    image_root: str | os.PathLike[str],
    dataset_name: str | None = None,
    extra_annotation_keys: Sequence[str] | None = None,
    *,
    skip_invalid: bool = False,
) -> list[dict[str, Any]]:
    """Load a file of COCO's instances or keypoints format. Images are not read.

    Args:
        json_file: The annotation file.
        image_root: The folder of the images that it names.
        dataset_name: If given, `thing_classes` and `thing_dataset_id_to_contiguous_id` are put into the metadata of
            this dataset, and category ids are made contiguous.
        extra_annotation_keys: Further keys of annotations that are taken over as they are.
        skip_invalid: Whether bad annotations and images are left out and counted in one warning.

    Returns:
        Dicts of the standard format, ordered by image id. Boxes are `XYWH_ABS`; 0.5 is added to keypoints, which
        the file counts in pixels. Without `dataset_name` category ids are those of the file.

    Raises:
        FileNotFoundError: There is no such file.
        DatasetError: The file is no COCO dataset, or a record breaks its rules; the message names file, id and field.
    """
    file = os.fspath(json_file)
    return coco_records(read_json(file), file, image_root, dataset_name, extra_annotation_keys, skip_invalid)


def coco_records(
    content: Any,
    file: str,
    image_root: str | os.PathLike[str],
    dataset_name: str | None = None,
    extra_annotation_keys: Sequence[str] | None = None,
    skip_invalid: bool = False,
) -> list[dict[str, Any]]:
    """Turn the parsed content of a file into records; see `load_coco_json`."""
    images, annotations = good_parts(content, file, skip_invalid)
    id_map = None
    if dataset_name is not None:
        names, id_map = contiguous_categories(content["categories"])
        set_thing_metadata(MetadataCatalog.get(dataset_name), names, id_map)
    keys = ["iscrowd", "bbox", "keypoints", "category_id", *(extra_annotation_keys or [])]
    by_image: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for annotation in annotations:
        by_image[annotation["image_id"]].append(_standard_annotation(annotation, keys, id_map))
    root = os.fspath(image_root)
    return [
        _standard_record(image, root, by_image.get(image_id, []))
        for image_id, image in sorted(images.items(), key=lambda item: numbers_first(item[0]))
    ]


def good_parts(content: Any, file: str, skip_invalid: bool) -> tuple[dict[Any, dict[str, Any]], list[dict[str, Any]]]:
    """Return the images by id and the annotations of a file's content, of which the problems were told or left out.

    Raises:
        DatasetError: As `load_coco_json`.
    """
    raise_first(file_problems(content, file))
    raise_first(duplicate_problems(content["categories"], file, "category"))
    raise_first(problem for category in content["categories"] for problem in category_problems(category, file))
    skipped: list[Problem] = []
    images = _good_images(content["images"], file, skip_invalid, skipped)
    annotations = list(_good_annotations(content, file, images, skip_invalid, skipped))
    if skipped:
        logger.warning("%s: %d problems, their records are left out; the first: %s", file, len(skipped), skipped[0])
    return images, annotations


def numbers_first(item_id: Any) -> tuple[bool, Any]:
    """Order numbers before strings."""
    return isinstance(item_id, str), item_id


def _good_images(records: list[dict], file: str, skip: bool, skipped: list[Problem]) -> dict[Any, dict[str, Any]]:
    duplicates = list(duplicate_problems(records, file, "image"))
    images: dict[Any, dict[str, Any]] = {}
    for image in records:
        problems = list(image_problems(image, file))
        if problems and not skip:
            raise DatasetError(problems[0])
        skipped.extend(problems)
        if not problems:
            images.setdefault(image["id"], image)
    if duplicates and not skip:
        raise DatasetError(duplicates[0])
    skipped.extend(duplicates)
    return images


def _good_annotations(
    content: dict[str, Any], file: str, images: dict[Any, dict], skip: bool, skipped: list[Problem]
) -> Iterator[dict[str, Any]]:
    categories = {category["id"] for category in content["categories"]}
    seen = set()
    for number, annotation in enumerate(content["annotations"]):
        problems = list(annotation_problems(annotation, file, number, images, categories))
        if not problems and "id" in annotation:
            if annotation["id"] in seen:
                problems = [Problem(file, f"annotation {annotation['id']}", "id", "this id appears more than once")]
            seen.add(annotation["id"])
        if problems and not skip:
            raise DatasetError(problems[0])
        skipped.extend(problems)
        if not problems:
            yield annotation


def _standard_annotation(annotation: dict[str, Any], keys: list[str], id_map: dict[int, int] | None) -> dict[str, Any]:
    standard = {key: annotation[key] for key in keys if key in annotation}
    standard["bbox_mode"] = BoxMode.XYWH_ABS
    segmentation = annotation.get("segmentation")
    if segmentation:
        standard["segmentation"] = compressed(segmentation) if isinstance(segmentation, dict) else segmentation
    if "keypoints" in standard:
        # The file counts pixels; the standard format is continuous.
        points = standard["keypoints"]
        standard["keypoints"] = [value if at % 3 == 2 else value + 0.5 for at, value in enumerate(points)]
    if id_map is not None:
        standard["category_id"] = id_map[annotation["category_id"]]
    return standard


def _standard_record(image: dict[str, Any], root: str, annotations: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "file_name": os.path.join(root, image["file_name"]),
        "height": image["height"],
        "width": image["width"],
        "image_id": image["id"],
        "annotations": annotations,
    }
