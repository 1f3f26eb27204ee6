"""Reader of LVIS: COCO's images with more than a thousand classes."""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, cast

from detectory.data.problems import DatasetError, Problem, raise_first
from detectory.structures import BoxMode
from detectory.structures.records import Annotation, DatasetRecord

from .coco.problems import annotation_place, annotation_problems, duplicate_problems, file_problems, image_problems
from .coco.reader import LoadedDataset
from .file_names import file_name_problem
from .json_file import read_json


def read_lvis(
    json_file: str | os.PathLike[str],
    image_root: str | os.PathLike[str],
    *,
    category_ids: Mapping[Any, int] | None = None,
    extra_annotation_keys: Sequence[str] = (),
) -> LoadedDataset:
    """Read a file in the format of LVIS v0.5 or v1. Images are not read.

    Args:
        json_file: The annotation file.
        image_root: The folder that contains COCO's `train2017`, `val2017` and `test2017`. The URL of an image in the
            file determines its folder.
        category_ids: The class id per category id of the file; by default categories are numbered from 0, sorted by id.
        extra_annotation_keys: Additional annotation fields to copy into the records.

    Returns:
        Records in the standard format, sorted by image id, with `not_exhaustive_category_ids` and `neg_category_ids`
        (category ids of the file). The metadata contains `class_image_count` if the file has image counts.

    Raises:
        DatasetError: If the file is invalid. The message contains file, record and field.
    """
    file, root = os.fspath(json_file), os.fspath(image_root)
    content = read_json(file)
    lists = ("images", "annotations", "categories") if "annotations" in content else ("images", "categories")
    raise_first(file_problems(content, file, lists))
    raise_first(duplicate_problems(content["categories"], file, "category"))
    raise_first(duplicate_problems(content["images"], file, "image"))
    categories = sorted(content["categories"], key=lambda category: category["id"])
    if category_ids is None:
        category_ids = {category["id"]: index for index, category in enumerate(categories)}
    images = {image["id"]: image for image in content["images"]}
    by_image: dict[Any, list[Annotation]] = defaultdict(list)
    for index, annotation in enumerate(content.get("annotations", [])):
        raise_first(annotation_problems(annotation, file, index, images, category_ids))
        raise_first(mask_problems(annotation, file, index))
        converted = {key: annotation[key] for key in extra_annotation_keys}
        converted.update(
            bbox=annotation["bbox"],
            bbox_mode=BoxMode.XYWH_ABS,
            category_id=category_ids[annotation["category_id"]],
            segmentation=annotation["segmentation"],
        )
        by_image[annotation["image_id"]].append(cast(Annotation, converted))
    records = [_record(image, root, file, by_image[image["id"]]) for _, image in sorted(images.items())]
    return LoadedDataset(records, _metadata(categories, dict(category_ids)))


def mask_problems(annotation: Mapping[str, Any], file: str, index: int) -> list[Problem]:
    """Return a problem if an annotation has no segmentation: LVIS has a mask for every object."""
    if annotation.get("segmentation"):
        return []
    place = annotation_place(annotation, index)
    return [Problem(file, place, "segmentation", "missing or empty, LVIS requires a mask for every annotation")]


def _metadata(categories: Sequence[Mapping[str, Any]], category_ids: dict[Any, int]) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "thing_classes": class_names(categories),
        "thing_dataset_id_to_contiguous_id": category_ids,
    }
    if all(isinstance(category.get("image_count"), int) for category in categories):
        metadata["class_image_count"] = [
            {"id": category["id"], "image_count": category["image_count"]} for category in categories
        ]
    return metadata


def _record(image: dict[str, Any], root: str, file: str, annotations: list[Annotation]) -> DatasetRecord:
    raise_first(image_problems(image, file, needs_file_name="coco_url" not in image))
    name = lvis_file_name(image)
    message = file_name_problem(name)
    if message:
        field = "coco_url" if "coco_url" in image else "file_name"
        raise DatasetError(Problem(file, f"image {image['id']}", field, message))
    record = {
        "file_name": os.path.join(root, *name.split("/")),
        "height": image["height"],
        "width": image["width"],
        "image_id": image["id"],
        "not_exhaustive_category_ids": image.get("not_exhaustive_category_ids", []),
        "neg_category_ids": image.get("neg_category_ids", []),
        "annotations": annotations,
    }
    return cast(DatasetRecord, record)


def lvis_file_name(image: Mapping[str, Any]) -> Any:
    """Return the file name of an image with COCO's folder: the last two parts of its URL, otherwise its `file_name`."""
    url = image.get("coco_url")
    return "/".join(url.split("/")[-2:]) if isinstance(url, str) else image.get("file_name")


def class_names(categories: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return LVIS's class names: the first synonym of each category."""
    return [category["synonyms"][0] if category.get("synonyms") else category["name"] for category in categories]
