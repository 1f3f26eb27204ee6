"""Reader of COCO's panoptic format."""

import os
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, cast

from detectory.data.formats.json_file import read_json
from detectory.data.problems import DatasetError, Problem, raise_first
from detectory.structures.records import DatasetRecord, SegmentInfo

from .problems import panoptic_problems


def load_coco_panoptic_json(
    json_file: str | os.PathLike[str],
    image_dir: str | os.PathLike[str],
    gt_dir: str | os.PathLike[str],
    meta: Mapping[str, Any],
) -> list[DatasetRecord]:
    """Read a file in COCO's panoptic format. Images are not read.

    Args:
        json_file: The annotation file.
        image_dir: The folder of the images. An image has the name of its panoptic PNG file, with the suffix `.jpg`.
        gt_dir: The folder of the panoptic PNG files.
        meta: Metadata with `thing_dataset_id_to_contiguous_id` and `stuff_dataset_id_to_contiguous_id`.

    Returns:
        Records with `file_name`, `image_id`, `pan_seg_file_name`, `segments_info` (with contiguous category ids and
        `isthing`), and with `height` and `width` if the file contains them.

    Raises:
        DatasetError: If the file is invalid. The message contains file, record and field.
    """
    file = os.fspath(json_file)
    content = read_json(file)
    things, stuff = meta["thing_dataset_id_to_contiguous_id"], meta["stuff_dataset_id_to_contiguous_id"]
    raise_first(panoptic_problems(content, file, things.keys() | stuff.keys()))
    sizes = {image["id"]: image for image in content.get("images", []) if {"id", "height", "width"} <= image.keys()}
    records = []
    for annotation in content["annotations"]:
        # COCO's test sets have image ids as strings of digits.
        file_id = annotation["image_id"]
        image_id = int(file_id) if str(file_id).isdecimal() else file_id
        record: DatasetRecord = {
            "file_name": os.path.join(image_dir, f"{PurePath(annotation['file_name']).stem}.jpg"),
            "image_id": image_id,
            "pan_seg_file_name": os.path.join(gt_dir, annotation["file_name"]),
            "segments_info": [contiguous_segment(segment, things, stuff) for segment in annotation["segments_info"]],
        }
        image = sizes.get(file_id) or sizes.get(image_id)
        if image:
            record["height"], record["width"] = image["height"], image["width"]
        records.append(record)
    if not records:
        raise DatasetError(Problem(file, "", "annotations", "the list is empty"))
    return records


def contiguous_segment(segment: Mapping[str, Any], things: Mapping[Any, int], stuff: Mapping[Any, int]) -> SegmentInfo:
    """Return a copy of a segment with a contiguous category id and `isthing`."""
    category = segment["category_id"]
    is_thing = category in things
    converted = {**segment, "category_id": (things if is_thing else stuff)[category], "isthing": is_thing}
    return cast(SegmentInfo, converted)


def panoptic_categories(categories: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the metadata of the categories of a panoptic file, with one range of contiguous ids sorted by id.

    Returns:
        `thing_classes`, `stuff_classes` (both list all classes), the two id mappings, and the colours if all categories
        have one.
    """
    ordered = sorted(categories, key=lambda category: category["id"])
    names = [category["name"] for category in ordered]
    ids = {category["id"]: index for index, category in enumerate(ordered)}
    metadata: dict[str, Any] = {
        "thing_classes": names,
        "stuff_classes": list(names),
        "thing_dataset_id_to_contiguous_id": {c["id"]: ids[c["id"]] for c in ordered if c.get("isthing")},
        "stuff_dataset_id_to_contiguous_id": {c["id"]: ids[c["id"]] for c in ordered if not c.get("isthing")},
    }
    if all("color" in category for category in ordered):
        metadata["thing_colors"] = [tuple(category["color"]) for category in ordered]
        metadata["stuff_colors"] = list(metadata["thing_colors"])
    return metadata
