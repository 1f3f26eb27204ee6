"""Writer of COCO's instances and keypoints format."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
import pycocotools.mask

from detectory.core.storage import atomic_write
from detectory.structures import BoxMode, polygon_area

from .categories import keypoint_category
from .rle import compress_rle


def annotation_to_coco(annotation: Mapping[str, Any], image_size: tuple[int, int]) -> dict[str, Any]:
    """Convert an annotation of the standard format to COCO's.

    Args:
        annotation: An annotation with a box in any `BoxMode`, relative modes included.
        image_size: `(height, width)` of the image in pixels.

    Returns:
        A JSON-serializable dict with `bbox` (`[x, y, width, height]`; a rotated box keeps its 5 numbers), `area` (of
        the mask if there is one, otherwise of the box), `iscrowd`, and if present `segmentation`, `keypoints` (as pixel
        indices: 0.5 less than in the standard format) and `num_keypoints`. Ids are not converted.
    """
    box, mode = [float(value) for value in annotation["bbox"]], BoxMode(annotation["bbox_mode"])
    if mode != BoxMode.XYWHA_ABS:
        box = [float(value) for value in BoxMode.convert(box, mode, BoxMode.XYWH_ABS, image_size)]
    entry: dict[str, Any] = {
        "bbox": box,
        "area": box[2] * box[3],
        "iscrowd": int(annotation.get("iscrowd", 0)),
    }
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, Mapping):
        rle = compress_rle(segmentation)
        counts = rle["counts"]
        entry["segmentation"] = {
            "size": list(rle["size"]),
            "counts": counts.decode("ascii") if isinstance(counts, bytes) else counts,
        }
        entry["area"] = float(pycocotools.mask.area(rle))
    elif segmentation is not None and len(segmentation):
        polygons = [np.asarray(polygon, dtype=np.float64).reshape(-1) for polygon in segmentation]
        entry["segmentation"] = [polygon.tolist() for polygon in polygons]
        entry["area"] = sum(polygon_area(polygon[0::2], polygon[1::2]) for polygon in polygons)
    if annotation.get("keypoints") is not None:
        keypoints = np.asarray(annotation["keypoints"], dtype=np.float64).reshape(-1, 3)
        entry["keypoints"] = [value for x, y, v in keypoints.tolist() for value in (x - 0.5, y - 0.5, int(v))]
        entry["num_keypoints"] = int(annotation.get("num_keypoints", (keypoints[:, 2] > 0).sum()))
    if annotation.get("difficult"):
        entry["difficult"] = 1
    return entry


def records_to_coco(
    records: Iterable[Mapping[str, Any]],
    class_names: Sequence[str],
    category_ids: Mapping[int, int | str] | None = None,
    image_root: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """Convert records of the standard format to the content of a COCO file.

    Args:
        records: Records with `height` and `width`. Records without `image_id` get their index as the id.
        class_names: The class names in the order of the class ids.
        category_ids: The category id in the file per class; by default the class id. Classes without a category id are
            omitted.
        image_root: The folder that file names in the file are relative to; by default file names are not changed.

    Returns:
        A dict of `images`, `categories` and `annotations`. Box coordinates are rounded to 3 decimals.
    """
    categories = [
        {"id": category_ids[index] if category_ids else index, "name": name}
        for index, name in enumerate(class_names)
        if category_ids is None or index in category_ids
    ]
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index, record in enumerate(records):
        image_id, height, width = record.get("image_id", index), int(record["height"]), int(record["width"])
        image = {"id": image_id, "width": width, "height": height}
        if "file_name" in record:
            name = str(record["file_name"])
            image["file_name"] = name if image_root is None else PurePath(os.path.relpath(name, image_root)).as_posix()
        images.append(image)
        for annotation in record.get("annotations", []):
            category = int(annotation["category_id"])
            entry = annotation_to_coco(annotation, (height, width))
            entry["bbox"] = [round(value, 3) for value in entry["bbox"]]
            entry["id"], entry["image_id"] = len(annotations) + 1, image_id
            entry["category_id"] = category_ids[category] if category_ids else category
            annotations.append(entry)
    return {"images": images, "categories": categories, "annotations": annotations}


def write_coco(
    records: Sequence[Mapping[str, Any]],
    class_names: Sequence[str],
    output_file: str | os.PathLike[str],
    image_root: str | os.PathLike[str] | None = None,
    *,
    category_ids: Sequence[int | str] | None = None,
    keypoints: Mapping[str, Any] | None = None,
) -> int:
    """Write records of the standard format to a COCO file.

    Args:
        records: Records with `height` and `width`.
        class_names: The class names in the order of the class ids.
        output_file: The file, written atomically.
        image_root: The folder that file names in the file are relative to; by default file names are not changed.
        category_ids: The category id per class; by default 1, 2, ….
        keypoints: Metadata with names, flip pairs and skeleton of the keypoints, see `keypoint_metadata`. Without
            names for all keypoints, keypoints are named by number.

    Returns:
        The number of images.
    """
    ids = list(category_ids) if category_ids is not None else range(1, len(class_names) + 1)
    content = records_to_coco(records, class_names, dict(enumerate(ids)), image_root)
    counts = {len(entry["keypoints"]) // 3 for entry in content["annotations"] if "keypoints" in entry}
    description = keypoint_category(keypoints or {}, counts)
    content["categories"] = [{**category, **description} for category in content["categories"]]
    with atomic_write(output_file, "w") as file:
        json.dump(content, file)
    return len(content["images"])
