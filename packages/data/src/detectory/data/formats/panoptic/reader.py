"""COCO's panoptic datasets, in both ways: one numbering for things and stuff, or two."""

import os
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any

from detectory.data.formats.coco.problems import category_problems, file_name_problem, file_problems, is_id
from detectory.data.formats.coco.reader import load_coco_json
from detectory.data.formats.json_file import read_json
from detectory.data.formats.semantic import load_sem_seg
from detectory.data.problems import DatasetError, Problem, raise_first


def panoptic_problems(content: dict[str, Any], file: str, known: set) -> list[Problem]:
    """List what breaks the rules of COCO's panoptic format; `known` are the category ids."""
    lists = ("images", "annotations") if isinstance(content, dict) and "images" in content else ("annotations",)
    problems = list(file_problems(content, file, lists))
    if problems:
        return problems
    for number, annotation in enumerate(content["annotations"]):
        image_id = annotation.get("image_id")
        place = f"annotation of image {image_id}" if is_id(image_id) else f"annotations[{number}]"
        if not is_id(image_id):
            problems.append(Problem(file, place, "image_id", f"expected a number or a string, got {image_id!r}"))
        message = file_name_problem(annotation.get("file_name"))
        if message:
            problems.append(Problem(file, place, "file_name", message))
        segments = annotation.get("segments_info")
        if not isinstance(segments, list):
            problems.append(Problem(file, place, "segments_info", f"expected a list, got {type(segments).__name__}"))
            continue
        seen = set()
        for at, segment in enumerate(segments):
            if not isinstance(segment, dict):
                problems.append(Problem(file, place, f"segments_info[{at}]", f"expected an object, got {segment!r}"))
                continue
            segment_id, category, is_crowd = segment.get("id"), segment.get("category_id"), segment.get("iscrowd", 0)
            if type(segment_id) is not int or not 0 < segment_id < 1 << 24 or segment_id in seen:
                message = f"expected a new number in [1, 2^24), got {segment_id!r}"
                problems.append(Problem(file, place, "segments_info.id", message))
            else:
                seen.add(segment_id)
            if not is_id(category) or category not in known:
                message = f"segment {segment_id!r}: no category has the id {category!r}"
                problems.append(Problem(file, place, "segments_info.category_id", message))
            if is_crowd not in (0, 1):
                message = f"segment {segment_id!r}: expected 0 or 1, got {is_crowd!r}"
                problems.append(Problem(file, place, "segments_info.iscrowd", message))
    return problems


def panoptic_category_problems(category: dict[str, Any], file: str) -> Iterator[Problem]:
    """Yield the problems of one category of a panoptic file."""
    yield from category_problems(category, file)
    if category.get("isthing") not in (0, 1):
        message = f"expected 0 or 1, got {category.get('isthing')!r}"
        yield Problem(file, f"category {category['id']}", "isthing", message)


def load_coco_panoptic_json(
    json_file: str | os.PathLike[str],
    image_dir: str | os.PathLike[str],
    gt_dir: str | os.PathLike[str],
    meta: dict[str, Any],
) -> list[dict[str, Any]]:
    """Load a file of COCO's panoptic format. Images are not read.

    Args:
        json_file: The annotation file.
        image_dir: The folder of photos; a photo has the name of its PNG with `.jpg`.
        gt_dir: The folder of panoptic PNG files.
        meta: `thing_dataset_id_to_contiguous_id` and `stuff_dataset_id_to_contiguous_id`.

    Returns:
        Dicts with `file_name`, `image_id`, `pan_seg_file_name` and `segments_info`, whose category ids are
        contiguous and which have `isthing`; `height` and `width` where the file tells them.

    Raises:
        DatasetError: The file breaks the rules of the format; the message names file, id and field.
    """
    file = os.fspath(json_file)
    content = read_json(file)
    things, stuff = meta["thing_dataset_id_to_contiguous_id"], meta["stuff_dataset_id_to_contiguous_id"]
    raise_first(panoptic_problems(content, file, things.keys() | stuff.keys()))
    sizes = {image["id"]: image for image in content.get("images", []) if {"id", "height", "width"} <= image.keys()}
    records = []
    for annotation in content["annotations"]:
        given = annotation["image_id"]
        image_id = int(given) if str(given).isdecimal() else given
        record = {
            "file_name": os.path.join(image_dir, f"{PurePath(annotation['file_name']).stem}.jpg"),
            "image_id": image_id,
            "pan_seg_file_name": os.path.join(gt_dir, annotation["file_name"]),
            "segments_info": [contiguous_segment(segment, things, stuff) for segment in annotation["segments_info"]],
        }
        image = sizes.get(given) or sizes.get(image_id)
        if image:
            record.update(height=image["height"], width=image["width"])
        records.append(record)
    if not records:
        raise DatasetError(Problem(file, "", "annotations", "the file has no annotations"))
    return records


def contiguous_segment(segment: dict[str, Any], things: dict[int, int], stuff: dict[int, int]) -> dict[str, Any]:
    """Give a segment's category as a contiguous id, and whether it is a thing."""
    category = segment["category_id"]
    is_thing = category in things
    return {**segment, "category_id": (things if is_thing else stuff)[category], "isthing": is_thing}


def panoptic_metadata(
    metadata: dict[str, Any], image_root: str, panoptic_root: str, panoptic_json: str, instances_json: str | None
) -> dict[str, Any]:
    """Give the metadata of a panoptic dataset with one numbering."""
    return {
        "panoptic_root": panoptic_root,
        "image_root": image_root,
        "panoptic_json": panoptic_json,
        "json_file": instances_json,
        "evaluator_type": "coco_panoptic_seg",
        "ignore_label": 255,
        "label_divisor": 1000,
        **metadata,
    }


def separated_metadata(
    metadata: dict[str, Any],
    image_root: str,
    panoptic_root: str,
    panoptic_json: str,
    sem_seg_root: str,
    instances_json: str,
) -> dict[str, Any]:
    """Give the metadata of a panoptic dataset with two numberings."""
    return {
        "panoptic_root": panoptic_root,
        "image_root": image_root,
        "panoptic_json": panoptic_json,
        "sem_seg_root": sem_seg_root,
        "json_file": instances_json,
        "evaluator_type": "coco_panoptic_seg",
        "ignore_label": 255,
        **metadata,
    }


def stuff_metadata(metadata: dict[str, Any], image_root: str, sem_seg_root: str) -> dict[str, Any]:
    """Give the metadata of the semantic half."""
    return {
        "sem_seg_root": sem_seg_root,
        "image_root": image_root,
        "evaluator_type": "sem_seg",
        "ignore_label": 255,
        **metadata,
    }


def load_separated(name: str, image_root: str, sem_seg_root: str, instances_json: str) -> list[dict[str, Any]]:
    """Load instances and label images of the same photos."""
    instances = load_coco_json(instances_json, image_root, name)
    return merge_to_panoptic(instances, load_sem_seg(sem_seg_root, image_root))


def merge_to_panoptic(
    detection_dicts: Sequence[dict[str, Any]], sem_seg_dicts: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Join records of instances with records of label images by file name.

    Raises:
        ValueError: A label image has no record of instances, or there are none.
    """
    instances = {record["file_name"]: record for record in detection_dicts}
    if not sem_seg_dicts:
        raise ValueError("merge_to_panoptic: sem_seg_dicts is empty")
    for record in sem_seg_dicts:
        if record["file_name"] not in instances:
            raise ValueError(f"merge_to_panoptic: no record of instances for {record['file_name']}")
    return [{**instances[record["file_name"]], **record} for record in sem_seg_dicts]
