"""LVIS: COCO's photos with more than a thousand classes."""

import os
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from detectory.core.suggestions import nearest
from detectory.data.catalog import Metadata, MetadataCatalog
from detectory.data.formats.coco.problems import (
    annotation_problems,
    duplicate_problems,
    file_name_problem,
    file_problems,
    image_problems,
)
from detectory.data.formats.coco.reader import set_thing_metadata
from detectory.data.metadata.coco import coco_instances_metadata
from detectory.data.metadata.facts import fact_file
from detectory.data.problems import DatasetError, Problem, raise_first
from detectory.structures import BoxMode

from .json_file import read_json


def load_lvis_json(
    json_file: str | os.PathLike[str],
    image_root: str | os.PathLike[str],
    dataset_name: str | None = None,
    extra_annotation_keys: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """Load a file of LVIS's format, v0.5 or v1. Images are not read.

    Args:
        json_file: The annotation file.
        image_root: The folder above COCO's `train2017`, `val2017` and `test2017`; a photo's address in the file
            tells which of them it lies in.
        dataset_name: If given, `thing_classes`, the map of category ids and, where the file tells them,
            `class_image_count` are put into its metadata.
        extra_annotation_keys: Further keys of annotations that are taken over as they are.

    Returns:
        Dicts of the standard format, ordered by image id, with `not_exhaustive_category_ids` and
        `neg_category_ids` of the file's numbering. Category ids count from 0.

    Raises:
        DatasetError: The file breaks the rules of the format; the message names file, id and field.
    """
    file = os.fspath(json_file)
    content = read_json(file)
    lists = ("images", "annotations", "categories") if "annotations" in content else ("images", "categories")
    raise_first(file_problems(content, file, lists))
    categories = sorted(content["categories"], key=lambda category: category["id"])
    raise_first(duplicate_problems(categories, file, "category"))
    id_map = {category["id"]: number for number, category in enumerate(categories)}
    if dataset_name is not None:
        metadata = MetadataCatalog.get(dataset_name)
        known = metadata.get("thing_dataset_id_to_contiguous_id")
        # The metadata of "cocofied" datasets number COCO's 80 classes.
        id_map = known if known is not None else id_map
        if known is None:
            set_thing_metadata(metadata, class_names(categories), id_map)
            _set_image_counts(metadata, categories)
    images = {image["id"]: image for image in content["images"]}
    by_image: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for number, annotation in enumerate(content.get("annotations", [])):
        raise_first(annotation_problems(annotation, file, number, images, id_map))
        if not annotation.get("segmentation"):
            place = f"annotation {annotation.get('id', number)}"
            raise DatasetError(Problem(file, place, "segmentation", "every annotation of LVIS has polygons, got none"))
        standard = {key: annotation[key] for key in extra_annotation_keys or ()}
        standard.update(
            bbox=annotation["bbox"],
            bbox_mode=BoxMode.XYWH_ABS,
            category_id=id_map[annotation["category_id"]],
            segmentation=annotation["segmentation"],
        )
        by_image[annotation["image_id"]].append(standard)
    raise_first(duplicate_problems(content["images"], file, "image"))
    return [_record(image, os.fspath(image_root), file, by_image[image["id"]]) for _, image in sorted(images.items())]


def _set_image_counts(metadata: Metadata, categories: Sequence[dict[str, Any]]) -> None:
    """Note how many images each class appears in, unless that is known."""
    is_told = all(isinstance(category.get("image_count"), int) for category in categories)
    if is_told and metadata.get("class_image_count") is None:
        metadata.class_image_count = [
            {"id": category["id"], "image_count": category["image_count"]} for category in categories
        ]


def _record(image: dict[str, Any], root: str, file: str, annotations: list[dict[str, Any]]) -> dict[str, Any]:
    raise_first(image_problems(image, file, needs_file_name="coco_url" not in image))
    name = lvis_file_name(image)
    message = file_name_problem(name)
    if message:
        field = "coco_url" if "coco_url" in image else "file_name"
        raise DatasetError(Problem(file, f"image {image['id']}", field, message))
    return {
        "file_name": os.path.join(root, *name.split("/")),
        "height": image["height"],
        "width": image["width"],
        "image_id": image["id"],
        "not_exhaustive_category_ids": image.get("not_exhaustive_category_ids", []),
        "neg_category_ids": image.get("neg_category_ids", []),
        "annotations": annotations,
    }


def lvis_file_name(image: dict[str, Any]) -> Any:
    """Give an image's name below COCO's folders: the end of its address, else its `file_name`."""
    address = image.get("coco_url")
    return "/".join(address.split("/")[-2:]) if isinstance(address, str) else image.get("file_name")


def class_names(categories: Sequence[dict[str, Any]]) -> list[str]:
    """Give LVIS's names: the first synonym of each category."""
    return [category["synonyms"][0] if category.get("synonyms") else category["name"] for category in categories]


def get_lvis_instances_meta(dataset_name: str) -> dict[str, Any]:
    """Give the metadata of a version of LVIS.

    Args:
        dataset_name: `"lvis_v0.5"`, `"lvis_v1"`, or one with `"cocofied"` in it for COCO's classes.

    Returns:
        `thing_classes`; for `cocofied` also the map of category ids and the colours; for v1 also
        `class_image_count`, in how many images of the training set each class appears, as dicts with `id` (from 1)
        and `image_count`.

    Source: the categories of `lvis_v1_train.json`.
    """
    if "cocofied" in dataset_name:
        return coco_instances_metadata()
    if dataset_name.startswith("lvis_v0.5"):
        return {"thing_classes": list(fact_file("lvis_v0.5_classes.json"))}
    if dataset_name.startswith("lvis_v1"):
        counts = enumerate(fact_file("lvis_v1_image_counts.json"), start=1)
        return {
            "thing_classes": list(fact_file("lvis_v1_classes.json")),
            "class_image_count": [{"id": number, "image_count": count} for number, count in counts],
        }
    raise ValueError(f"get_lvis_instances_meta: unknown version: {nearest(dataset_name, ['lvis_v0.5', 'lvis_v1'])}")
