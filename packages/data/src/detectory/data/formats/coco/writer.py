"""Write any registered dataset as a COCO file."""

import datetime
import json
import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
import pycocotools.mask

from detectory.core.storage import atomic_write
from detectory.data.catalog import DatasetCatalog, MetadataCatalog
from detectory.structures import BoxMode, PolygonMasks

logger = logging.getLogger(__name__)


def convert_to_coco_dict(dataset_name: str) -> dict[str, Any]:
    """Turn a registered dataset of the standard format into COCO's.

    Args:
        dataset_name: Its metadata must have `thing_classes`; with `thing_dataset_id_to_contiguous_id` category ids
            are turned back into the original ones.

    Returns:
        `info`, `images`, `categories`, `annotations` and `licenses`. Rotated boxes keep their five numbers.
        The half pixel that the standard format adds to keypoints is taken off.
    """
    metadata = MetadataCatalog.get(dataset_name)
    id_map = metadata.get("thing_dataset_id_to_contiguous_id")
    original = {number: category for category, number in id_map.items()} if id_map else None
    content = records_to_coco(DatasetCatalog.get(dataset_name), metadata.thing_classes, original)
    info = {
        "date_created": str(datetime.datetime.now(datetime.timezone.utc)),
        "description": f"the dataset {dataset_name}, written by detectory",
    }
    return {"info": info, **content, "licenses": None}


def records_to_coco(
    records: Iterable[dict[str, Any]],
    class_names: Sequence[str],
    category_ids: dict[int, int] | None = None,
    image_root: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """Turn records of the standard format into COCO's.

    Args:
        records: With `height` and `width`; their place in the order is the id of those without `image_id`.
        class_names: The classes in the order of their numbers.
        category_ids: The id that the file has for a class's number; the number itself by default. Classes without an
            id are left out.
        image_root: The folder that file names are relative to; by default they stay as they are.

    Returns:
        `images`, `categories` and `annotations`.
    """
    categories = [
        {"id": category_ids[number] if category_ids else number, "name": name}
        for number, name in enumerate(class_names)
        if category_ids is None or number in category_ids
    ]
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for position, record in enumerate(records):
        image_id = record.get("image_id", position)
        image = {"id": image_id, "width": int(record["width"]), "height": int(record["height"])}
        if "file_name" in record:
            name = str(record["file_name"])
            image["file_name"] = name if image_root is None else PurePath(os.path.relpath(name, image_root)).as_posix()
        images.append(image)
        for annotation in record.get("annotations", []):
            number = int(annotation["category_id"])
            entry = _coco_annotation(annotation, record)
            entry["id"], entry["image_id"] = len(annotations) + 1, image_id
            entry["category_id"] = category_ids[number] if category_ids else number
            annotations.append(entry)
    return {"images": images, "categories": categories, "annotations": annotations}


def _coco_annotation(annotation: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    box, mode = [float(value) for value in annotation["bbox"]], BoxMode(annotation["bbox_mode"])
    if mode == BoxMode.XYWHA_ABS:
        area = box[2] * box[3]
    else:
        size = (record["height"], record["width"])
        box = [float(value) for value in BoxMode.convert(box, mode, BoxMode.XYWH_ABS, size)]
        area = box[2] * box[3]
    entry: dict[str, Any] = {"bbox": [round(value, 3) for value in box], "iscrowd": int(annotation.get("iscrowd", 0))}
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, list):
        polygons = [np.asarray(polygon, dtype=np.float64).reshape(-1) for polygon in segmentation]
        area = float(PolygonMasks([polygons]).area()[0])
        entry["segmentation"] = [[float(value) for value in polygon] for polygon in polygons]
    elif isinstance(segmentation, dict):
        if isinstance(segmentation["counts"], list):  # run lengths as numbers
            segmentation = pycocotools.mask.frPyObjects(segmentation, *segmentation["size"])
        area = float(pycocotools.mask.area(segmentation))
        counts = segmentation["counts"]
        text = counts.decode("ascii") if isinstance(counts, bytes) else counts
        entry["segmentation"] = {"size": list(segmentation["size"]), "counts": text}
    if "keypoints" in annotation:
        points = np.asarray(annotation["keypoints"], dtype=np.float64).reshape(-1, 3).copy()
        points[:, :2] -= 0.5
        entry["num_keypoints"] = int((points[:, 2] > 0).sum())
        entry["keypoints"] = [int(v) if at % 3 == 2 else float(v) for at, v in enumerate(points.reshape(-1))]
    entry["area"] = area
    return entry


def convert_to_coco_json(dataset_name: str, output_file: str | os.PathLike[str], allow_cached: bool = True) -> None:
    """Write a registered dataset as a COCO file.

    Args:
        dataset_name: See `convert_to_coco_dict`.
        output_file: It appears whole or not at all.
        allow_cached: Whether a file that is already there is kept as it is.
    """
    if allow_cached and os.path.exists(output_file):
        logger.warning("%s is already there and is used; remove it if the dataset has changed", output_file)
        return
    content = convert_to_coco_dict(dataset_name)
    with atomic_write(output_file, "w") as file:
        json.dump(content, file)
