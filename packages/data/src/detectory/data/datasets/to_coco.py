"""Write any registered dataset as a COCO file."""

from __future__ import annotations

import datetime
import json
import logging
import os
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
        dataset_name: Its metadata must have ``thing_classes``; with ``thing_dataset_id_to_contiguous_id`` category ids
            are turned back into the original ones.

    Returns:
        ``info``, ``images``, ``categories``, ``annotations`` and ``licenses``. Rotated boxes keep their five numbers.
        The half pixel that the standard format adds to keypoints is taken off.
    """
    records = DatasetCatalog.get(dataset_name)
    metadata = MetadataCatalog.get(dataset_name)
    id_map = metadata.get("thing_dataset_id_to_contiguous_id")
    original = {number: category for category, number in id_map.items()} if id_map else None
    categories = [
        {"id": original[number] if original else number, "name": name}
        for number, name in enumerate(metadata.thing_classes)
        if original is None or number in original
    ]
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for position, record in enumerate(records):
        image_id = record.get("image_id", position)
        images.append(
            {
                "id": image_id,
                "width": int(record["width"]),
                "height": int(record["height"]),
                "file_name": str(record["file_name"]),
            }
        )
        for annotation in record.get("annotations", []):
            entry = _coco_annotation(annotation, record)
            entry.update(
                id=len(annotations) + 1,
                image_id=image_id,
                category_id=original[annotation["category_id"]] if original else int(annotation["category_id"]),
            )
            annotations.append(entry)
    return {
        "info": {
            "date_created": str(datetime.datetime.now(datetime.timezone.utc)),
            "description": f"the dataset {dataset_name}, written by detectory",
        },
        "images": images,
        "categories": categories,
        "annotations": annotations,
        "licenses": None,
    }


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
        dataset_name: See :func:`convert_to_coco_dict`.
        output_file: It appears whole or not at all.
        allow_cached: Whether a file that is already there is kept as it is.
    """
    if allow_cached and os.path.exists(output_file):
        logger.warning("%s is already there and is used; remove it if the dataset has changed", output_file)
        return
    content = convert_to_coco_dict(dataset_name)
    with atomic_write(output_file, "w") as file:
        json.dump(content, file)
