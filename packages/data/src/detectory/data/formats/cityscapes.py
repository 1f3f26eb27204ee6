"""Cityscapes: instances, semantic labels and panoptic segments of street scenes."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pycocotools.mask

from detectory.data.formats.panoptic.reader import contiguous_segment, panoptic_problems
from detectory.data.images.reading import read_image
from detectory.data.metadata.facts import fact_file
from detectory.data.problems import DatasetError, Problem, raise_first
from detectory.structures import BoxMode

from .json_file import read_json
from .mask_outlines import mask_to_polygons

_IMAGE_SUFFIX = "_leftImg8bit.png"


def cityscapes_metadata() -> dict[str, Any]:
    """Give the 8 thing and 19 stuff classes; stuff lists all classes that are evaluated, things too."""
    categories = fact_file("cityscapes_categories.json")
    return {
        "thing_classes": [category["name"] for category in categories if category["isthing"]],
        "thing_colors": [tuple(category["color"]) for category in categories if category["isthing"]],
        "stuff_classes": [category["name"] for category in categories],
        "stuff_colors": [tuple(category["color"]) for category in categories],
    }


def cityscapes_panoptic_metadata() -> dict[str, Any]:
    """Give the 19 classes in one numbering, for things and for stuff, and the map from Cityscapes' label ids."""
    categories = fact_file("cityscapes_categories.json")
    names, colors = [c["name"] for c in categories], [tuple(c["color"]) for c in categories]
    return {
        "thing_classes": names,
        "thing_colors": colors,
        "stuff_classes": list(names),
        "stuff_colors": list(colors),
        "thing_dataset_id_to_contiguous_id": {c["id"]: c["trainId"] for c in categories if c["isthing"]},
        "stuff_dataset_id_to_contiguous_id": {c["id"]: c["trainId"] for c in categories if not c["isthing"]},
    }


def _photos(image_dir: str, gt_dir: str) -> Iterator[tuple[str, str]]:
    """Yield each photo with the beginning of the names of its annotation files."""
    if not os.path.isdir(image_dir):
        raise FileNotFoundError(f"Cityscapes: no such folder: {image_dir}")
    for city in sorted(path for path in Path(image_dir).iterdir() if path.is_dir()):
        for photo in sorted(city.glob(f"*{_IMAGE_SUFFIX}")):
            stem = photo.name.removesuffix(_IMAGE_SUFFIX)
            yield str(photo), os.path.join(gt_dir, city.name, f"{stem}_gtFine")


def load_cityscapes_instances(
    image_dir: str, gt_dir: str, from_json: bool = True, to_polygons: bool = True
) -> list[dict[str, Any]]:
    """Load the instances of Cityscapes from its `instanceIds.png` files.

    Args:
        image_dir: For example `cityscapes/leftImg8bit/train`.
        gt_dir: For example `cityscapes/gtFine/train`.
        from_json: Whether photos need their `polygons.json`, which tells the size; without it the label image does.
            Masks come from the label image in both cases, as there what is behind is already cut away.
        to_polygons: Whether segmentations are polygons (the outlines of the masks); otherwise run-length codes.

    Returns:
        Dicts of the standard format; `image_id` is the photo's file name without folder and extension.
    """
    things = {
        c["id"]: number for number, c in enumerate(c for c in fact_file("cityscapes_categories.json") if c["isthing"])
    }
    return [_instances(*pair, things, from_json, to_polygons) for pair in _photos(image_dir, gt_dir)]


def _size(prefix: str) -> tuple[int, int]:
    file = f"{prefix}_polygons.json"
    content = read_json(file)
    try:
        return int(content["imgHeight"]), int(content["imgWidth"])
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            Problem(file, "", "imgHeight, imgWidth", "the file does not tell the image's size")
        ) from error


def _instances(photo: str, prefix: str, things: dict[int, int], from_json: bool, to_polygons: bool) -> dict[str, Any]:
    ids = read_image(f"{prefix}_instanceIds.png").astype(np.int32)
    if from_json and _size(prefix) != ids.shape:
        raise DatasetError(
            Problem(f"{prefix}_instanceIds.png", "", "", f"the file has the size {ids.shape}, not the json's")
        )
    annotations = []
    for instance in np.unique(ids):
        # Ids below 1000 are labels of regions without instances; of a group the label's own number is written.
        is_group = instance < 1000
        label = int(instance if is_group else instance // 1000)
        if label not in things:
            continue
        mask = ids == instance
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        code = pycocotools.mask.encode(np.asfortranarray(mask, dtype=np.uint8))
        annotations.append(
            {
                "iscrowd": int(is_group),
                "category_id": things[label],
                "bbox": [float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)],
                "bbox_mode": BoxMode.XYXY_ABS,
                "segmentation": mask_to_polygons(mask) if to_polygons else code,
            }
        )
    return {
        "file_name": photo,
        "image_id": os.path.basename(photo).removesuffix(".png"),
        "height": ids.shape[0],
        "width": ids.shape[1],
        "annotations": annotations,
    }


def load_cityscapes_semantic(image_dir: str, gt_dir: str) -> list[dict[str, Any]]:
    """Load Cityscapes' semantic labels.

    Args:
        image_dir: For example `cityscapes/leftImg8bit/train`.
        gt_dir: For example `cityscapes/gtFine/train`, with `labelTrainIds.png` files; see
            `detectory.data.builtin.prepare.create_cityscapes_train_ids`.

    Returns:
        Dicts with `file_name`, `sem_seg_file_name`, `height` and `width`.
    """
    records = []
    for photo, prefix in _photos(image_dir, gt_dir):
        labels = f"{prefix}_labelTrainIds.png"
        if not os.path.isfile(labels):
            raise FileNotFoundError(f"{labels}: no such file; prepare the dataset with create_cityscapes_train_ids")
        height, width = _size(prefix)
        records.append({"file_name": photo, "sem_seg_file_name": labels, "height": height, "width": width})
    return records


def load_cityscapes_panoptic(image_dir: str, gt_dir: str, gt_json: str, meta: dict[str, Any]) -> list[dict[str, Any]]:
    """Load Cityscapes' panoptic segments.

    Args:
        image_dir: For example `cityscapes/leftImg8bit/train`.
        gt_dir: The folder of panoptic PNG files, for example `cityscapes/gtFine/cityscapes_panoptic_train`.
        gt_json: The annotation file beside it.
        meta: The maps of category ids, see `cityscapes_panoptic_metadata`.

    Returns:
        Dicts with `file_name`, `image_id`, `pan_seg_file_name`, `segments_info` (contiguous category ids).

    Raises:
        DatasetError: The file breaks the rules of the format; the message names file, id and field.
    """
    things, stuff = meta["thing_dataset_id_to_contiguous_id"], meta["stuff_dataset_id_to_contiguous_id"]
    content = read_json(gt_json)
    raise_first(panoptic_problems(content, gt_json, things.keys() | stuff.keys()))
    return [
        {
            "file_name": photo,
            "image_id": os.path.basename(photo).removesuffix(_IMAGE_SUFFIX),
            "pan_seg_file_name": labels,
            "segments_info": [contiguous_segment(segment, things, stuff) for segment in described],
        }
        for photo, labels, described in panoptic_files(image_dir, gt_dir, content["annotations"], gt_json)
    ]


def panoptic_files(
    image_dir: str, gt_dir: str, annotations: Sequence[dict[str, Any]], file: str
) -> list[tuple[str, str, list[dict[str, Any]]]]:
    """Return the photo, the panoptic PNG and the segments of every annotation.

    Args:
        image_dir: For example `cityscapes/leftImg8bit/train`.
        gt_dir: The folder of the PNG files.
        annotations: Dicts with `image_id`, `file_name` and `segments_info`.
        file: Where they come from, for messages.
    """
    photos = {os.path.basename(photo).removesuffix(_IMAGE_SUFFIX): photo for photo, _ in _photos(image_dir, gt_dir)}
    found = []
    for number, annotation in enumerate(annotations):
        image_id = annotation["image_id"]
        photo = photos.get(str(image_id).removesuffix(_IMAGE_SUFFIX.removesuffix(".png")))
        if photo is None:
            raise DatasetError(Problem(file, f"annotation {number}", "image_id", f"no photo of {image_id!r}"))
        found.append((photo, os.path.join(gt_dir, annotation["file_name"]), annotation["segments_info"]))
    return found
