"""Panoptic JSON files for an engine that is strict: checked, cut to what counts, images named by integers."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from detectory.data.formats.coco.problems import file_problems
from detectory.data.formats.json_file import read_json
from detectory.data.formats.panoptic.reader import panoptic_category_problems, panoptic_problems
from detectory.data.problems import raise_first

_SEGMENT = {"id", "category_id", "iscrowd"}


def write_plain_files(
    truth: str | os.PathLike, predictions: str | os.PathLike, folder: str | os.PathLike
) -> tuple[Path, Path]:
    """Write both files again into `folder`, without the fields that no figure depends on.

    Returns:
        The paths of the new truth and of the new predictions.

    Raises:
        ValueError: where a file is not what it should be; the message names the file, the entry and its field.
    """
    content, found = read_json(truth), read_json(predictions)
    name = os.fspath(truth)
    raise_first(file_problems(content, name))
    for category in content["categories"]:
        raise_first(panoptic_category_problems(category, name))
    categories = {category["id"] for category in content["categories"]}
    raise_first(panoptic_problems(content, name, categories))
    raise_first(panoptic_problems(found, os.fspath(predictions), categories))
    numbers = {image["id"]: number for number, image in enumerate(content["images"], start=1)}
    plain_truth = {
        "images": [{"id": numbers[image["id"]]} for image in content["images"]],
        "categories": [{"id": c["id"], "name": c["name"], "isthing": c["isthing"]} for c in content["categories"]],
        "annotations": [_plain(entry, numbers, name) for entry in content["annotations"]],
    }
    plain_found = {"annotations": [_plain(e, numbers, os.fspath(predictions)) for e in found["annotations"]]}
    paths = Path(folder) / "truth.json", Path(folder) / "predictions.json"
    for path, value in zip(paths, (plain_truth, plain_found), strict=True):
        path.write_text(json.dumps(value))
    return paths


def _plain(entry: Mapping[str, Any], numbers: Mapping[Any, int], file: str) -> dict[str, Any]:
    image = entry["image_id"]
    if image not in numbers:
        raise ValueError(f"{file}: annotation of image {image}: image_id: no image of the ground truth has this id")
    segments = [{key: segment[key] for key in segment.keys() & _SEGMENT} for segment in entry["segments_info"]]
    return {"image_id": numbers[image], "file_name": entry["file_name"], "segments_info": segments}
