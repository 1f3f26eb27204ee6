"""Readers of Cityscapes: instance, semantic and panoptic segmentation of street scenes."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pycocotools.mask

from detectory.data.images.reading import read_image
from detectory.data.metadata.facts import fact_file
from detectory.data.problems import DatasetError, Problem, raise_first
from detectory.structures import BoxMode
from detectory.structures.records import Annotation, DatasetRecord

from .json_file import read_json
from .mask_outlines import mask_to_polygons
from .panoptic.problems import panoptic_problems
from .panoptic.reader import contiguous_segment

_IMAGE_SUFFIX = "_leftImg8bit.png"
# Pixel values of instanceIds.png from here on are `label * 1000 + instance`; smaller values are labels.
_FIRST_INSTANCE_ID = 1000


def load_cityscapes_instances(
    image_dir: str, gt_dir: str, from_json: bool = True, to_polygons: bool = True
) -> list[DatasetRecord]:
    """Read the instances of Cityscapes from its `instanceIds.png` files.

    The masks come from the label images, because there the occluded parts of objects are already removed.

    Args:
        image_dir: For example `cityscapes/leftImg8bit/train`.
        gt_dir: For example `cityscapes/gtFine/train`.
        from_json: Whether to require `polygons.json` files and to compare the sizes in them with the label images.
        to_polygons: Whether segmentations are polygons (the outlines of the masks), otherwise RLEs.

    Returns:
        Records in the standard format. `image_id` is the file name of the image without folder and extension.

    Raises:
        FileNotFoundError: If `image_dir` or a label file does not exist.
        DatasetError: If a size is missing or differs.
    """
    categories = fact_file("cityscapes_categories.json")
    thing_labels = [category["id"] for category in categories if category["isthing"]]
    class_ids = {label: index for index, label in enumerate(thing_labels)}
    return [
        _instances_record(image, labels, class_ids, from_json, to_polygons)
        for image, labels in _image_files(image_dir, gt_dir)
    ]


def _image_files(image_dir: str, gt_dir: str) -> Iterator[tuple[str, str]]:
    """Yield the path of each image and the common prefix of its label files."""
    if not os.path.isdir(image_dir):
        raise FileNotFoundError(f"Cityscapes: image folder {image_dir} does not exist")
    for city in sorted(path for path in Path(image_dir).iterdir() if path.is_dir()):
        for image in sorted(city.glob(f"*{_IMAGE_SUFFIX}")):
            stem = image.name.removesuffix(_IMAGE_SUFFIX)
            yield str(image), os.path.join(gt_dir, city.name, f"{stem}_gtFine")


def _size(label_prefix: str) -> tuple[int, int]:
    """Read height and width from the `polygons.json` of an image."""
    file = f"{label_prefix}_polygons.json"
    content = read_json(file)
    try:
        return int(content["imgHeight"]), int(content["imgWidth"])
    except (KeyError, TypeError, ValueError) as error:
        message = "must be the height and the width of the image as integers"
        raise DatasetError(Problem(file, "", "imgHeight, imgWidth", message)) from error


def _instances_record(
    image: str, label_prefix: str, class_ids: Mapping[int, int], from_json: bool, to_polygons: bool
) -> DatasetRecord:
    ids_file = f"{label_prefix}_instanceIds.png"
    ids = read_image(ids_file).astype(np.int32)
    if from_json and (size := _size(label_prefix)) != ids.shape:
        message = f"the image has height and width {ids.shape}, polygons.json says {size}"
        raise DatasetError(Problem(ids_file, "", "", message))
    annotations: list[Annotation] = []
    for instance in np.unique(ids):
        # Groups of objects that could not be separated have the label of a thing without an instance number.
        is_group = instance < _FIRST_INSTANCE_ID
        label = int(instance if is_group else instance // _FIRST_INSTANCE_ID)
        if label not in class_ids:
            continue
        mask = ids == instance
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        rle = pycocotools.mask.encode(np.asfortranarray(mask, dtype=np.uint8))
        annotations.append(
            {
                "iscrowd": int(is_group),
                "category_id": class_ids[label],
                "bbox": [float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)],
                "bbox_mode": BoxMode.XYXY_ABS,
                "segmentation": mask_to_polygons(mask) if to_polygons else rle,
            }
        )
    return {
        "file_name": image,
        "image_id": os.path.basename(image).removesuffix(".png"),
        "height": ids.shape[0],
        "width": ids.shape[1],
        "annotations": annotations,
    }


def load_cityscapes_semantic(image_dir: str, gt_dir: str) -> list[DatasetRecord]:
    """Read the semantic labels of Cityscapes.

    Args:
        image_dir: For example `cityscapes/leftImg8bit/train`.
        gt_dir: For example `cityscapes/gtFine/train`, with the `labelTrainIds.png` files from
            `detectory.data.builtin.prepare.create_cityscapes_train_ids`.

    Returns:
        Records with `file_name`, `sem_seg_file_name`, `height` and `width`.

    Raises:
        FileNotFoundError: If `image_dir` or a label file does not exist.
    """
    records: list[DatasetRecord] = []
    for image, label_prefix in _image_files(image_dir, gt_dir):
        labels = f"{label_prefix}_labelTrainIds.png"
        if not os.path.isfile(labels):
            raise FileNotFoundError(f"{labels} does not exist. Create it with create_cityscapes_train_ids.")
        height, width = _size(label_prefix)
        records.append({"file_name": image, "sem_seg_file_name": labels, "height": height, "width": width})
    return records


def load_cityscapes_panoptic(image_dir: str, gt_dir: str, gt_json: str, meta: Mapping[str, Any]) -> list[DatasetRecord]:
    """Read the panoptic segments of Cityscapes.

    Args:
        image_dir: For example `cityscapes/leftImg8bit/train`.
        gt_dir: The folder of the panoptic PNG files, for example `cityscapes/gtFine/cityscapes_panoptic_train`.
        gt_json: The annotation file of `gt_dir`.
        meta: Metadata with the category id mappings; see `cityscapes_panoptic_metadata`.

    Returns:
        Records with `file_name`, `image_id`, `pan_seg_file_name` and `segments_info` (with contiguous category ids).

    Raises:
        DatasetError: If the file is invalid. The message contains file, record and field.
    """
    things, stuff = meta["thing_dataset_id_to_contiguous_id"], meta["stuff_dataset_id_to_contiguous_id"]
    content = read_json(gt_json)
    raise_first(panoptic_problems(content, gt_json, things.keys() | stuff.keys()))
    return [
        {
            "file_name": image,
            "image_id": os.path.basename(image).removesuffix(_IMAGE_SUFFIX),
            "pan_seg_file_name": labels,
            "segments_info": [contiguous_segment(segment, things, stuff) for segment in segments],
        }
        for image, labels, segments in panoptic_files(image_dir, gt_dir, content["annotations"], gt_json)
    ]


def panoptic_files(
    image_dir: str, gt_dir: str, annotations: Sequence[Mapping[str, Any]], file: str
) -> list[tuple[str, str, list[dict[str, Any]]]]:
    """Return the image, the panoptic PNG file and the segments per annotation.

    Args:
        image_dir: For example `cityscapes/leftImg8bit/train`.
        gt_dir: The folder of the panoptic PNG files.
        annotations: Dicts with `image_id`, `file_name` and `segments_info`.
        file: The annotation file, for error messages.

    Raises:
        DatasetError: If the image of an annotation does not exist.
    """
    paths = {os.path.basename(image).removesuffix(_IMAGE_SUFFIX): image for image, _ in _image_files(image_dir, gt_dir)}
    files = []
    for index, annotation in enumerate(annotations):
        image_id = annotation["image_id"]
        image = paths.get(str(image_id).removesuffix(_IMAGE_SUFFIX.removesuffix(".png")))
        if image is None:
            message = f"{image_dir} has no image of {image_id!r}"
            raise DatasetError(Problem(file, f"annotations[{index}]", "image_id", message))
        files.append((image, os.path.join(gt_dir, annotation["file_name"]), annotation["segments_info"]))
    return files
