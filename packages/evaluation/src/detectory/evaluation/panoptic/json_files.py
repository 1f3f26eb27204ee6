"""Reduced panoptic JSON files for hotcoco: checked, with integer image ids and only the fields that metrics need."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from detectory.core.storage import read_json
from detectory.data.formats.coco.problems import file_problems
from detectory.data.formats.panoptic.problems import panoptic_category_problems, panoptic_problems
from detectory.data.problems import raise_first

_SEGMENT_FIELDS = {"id", "category_id", "iscrowd"}


def check_ground_truth(ground_truth: str | os.PathLike, folder: str | os.PathLike) -> None:
    """Check a ground truth in COCO's panoptic format.

    Args:
        ground_truth: Path of the JSON file.
        folder: Folder of the PNG files.

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If the JSON file is invalid. The message names the file, the entry and its field.
    """
    content = read_json(ground_truth)
    _check(content, os.fspath(ground_truth))
    files = [Path(folder, entry["file_name"]) for entry in content["annotations"]]
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise FileNotFoundError(
            f"{os.fspath(ground_truth)}: {len(missing)} of {len(files)} PNG files do not exist, "
            f"the first is {missing[0]}"
        )


def write_reduced_files(
    ground_truth: str | os.PathLike, predictions: str | os.PathLike, folder: str | os.PathLike
) -> tuple[Path, Path]:
    """Check a ground truth and its predictions and write the reduced files into `folder`.

    Returns:
        Paths of the new ground truth and the new predictions.

    Raises:
        ValueError: If a file is invalid. The message names the file, the entry and its field.
    """
    ground_truth_name, predictions_name = os.fspath(ground_truth), os.fspath(predictions)
    content, predicted = read_json(ground_truth), read_json(predictions)
    categories = _check(content, ground_truth_name)
    raise_first(panoptic_problems(predicted, predictions_name, categories))
    integer_ids = {image["id"]: number for number, image in enumerate(content["images"], start=1)}
    reduced_ground_truth = {
        "images": [{"id": number} for number in integer_ids.values()],
        "categories": [{key: c[key] for key in ("id", "name", "isthing")} for c in content["categories"]],
        "annotations": [_reduced(entry, integer_ids, ground_truth_name) for entry in content["annotations"]],
    }
    reduced_predictions = {
        "annotations": [_reduced(entry, integer_ids, predictions_name) for entry in predicted["annotations"]]
    }
    paths = Path(folder) / "ground_truth.json", Path(folder) / "predictions.json"
    paths[0].write_text(json.dumps(reduced_ground_truth), encoding="utf-8")
    paths[1].write_text(json.dumps(reduced_predictions), encoding="utf-8")
    return paths


def _check(content: Any, name: str) -> set[Any]:
    """Check a ground truth and return its category ids."""
    raise_first(file_problems(content, name))
    for category in content["categories"]:
        raise_first(panoptic_category_problems(category, name))
    categories = {category["id"] for category in content["categories"]}
    raise_first(panoptic_problems(content, name, categories))
    return categories


def _reduced(entry: Mapping[str, Any], integer_ids: Mapping[Any, int], file: str) -> dict[str, Any]:
    image_id = entry["image_id"]
    if image_id not in integer_ids:
        raise ValueError(f"{file}: annotation of image {image_id}: image_id: not an image of the ground truth")
    return {
        "image_id": integer_ids[image_id],
        "file_name": entry["file_name"],
        "segments_info": [
            {key: segment[key] for key in segment.keys() & _SEGMENT_FIELDS} for segment in entry["segments_info"]
        ],
    }
