"""Predictions as records of the standard format, so that what writes datasets writes them, and what reads them back."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pycocotools.mask
import torch

from detectory.structures import (
    BitMasks,
    Boxes,
    BoxMode,
    Instances,
    PolygonMasks,
    RotatedBoxes,
    polygons_to_bitmask,
    rle_to_bitmask,
)

from .images import reading


def predictions_to_record(instances: Instances, file_name: str = "", image_id: Any = 1) -> dict[str, Any]:
    """Return one image's predictions as a record, whose annotations have a `score` each.

    Args:
        instances: With `pred_boxes`, and as far as they are there `scores`, `pred_classes`, `pred_masks` ((N, H, W),
            `BitMasks` or `PolygonMasks`), `pred_masks_rle` and `pred_keypoints` (N, K, 3).
        file_name: Of the image.
        image_id: Of the image.

    Example:
        >>> record = predictions_to_record(Instances((4, 4), pred_boxes=Boxes([[0.0, 0.0, 2.0, 4.0]])), "photo.jpg")
        >>> record["annotations"][0]["bbox"], record["file_name"]
        ([0.0, 0.0, 2.0, 4.0], 'photo.jpg')
    """
    height, width = instances.image_size
    boxes = instances.pred_boxes
    mode = BoxMode.XYWHA_ABS if isinstance(boxes, RotatedBoxes) else BoxMode.XYXY_ABS
    annotations: list[dict[str, Any]] = [
        {"bbox": box, "bbox_mode": mode, "category_id": 0, "iscrowd": 0} for box in boxes.tensor.tolist()
    ]
    columns: dict[str, Any] = {"segmentation": _segmentations(instances)}
    if instances.has("pred_classes"):
        columns["category_id"] = instances.pred_classes.tolist()
    if instances.has("scores"):
        columns["score"] = instances.scores.tolist()
    if instances.has("pred_keypoints"):
        columns["keypoints"] = instances.pred_keypoints.reshape(len(instances), -1).tolist()
    for name, values in columns.items():
        if values is not None:
            for annotation, value in zip(annotations, values, strict=True):
                annotation[name] = value
    return {
        "file_name": file_name,
        "image_id": image_id,
        "height": int(height),
        "width": int(width),
        "annotations": annotations,
    }


def record_to_predictions(record: Mapping[str, Any]) -> Instances:
    """Return a record's annotations as predictions; those without a `score` have 1.

    Args:
        record: With `height`, `width` and `annotations`, all of them with the same of `segmentation` and `keypoints`.

    Returns:
        `pred_boxes`, `pred_classes`, `scores`, and as far as they are there `pred_masks` (`PolygonMasks`, or
        `BitMasks` where an annotation is a run-length code) and `pred_keypoints` (N, K, 3).

    Raises:
        ValueError: annotations differ in what they hold.
    """
    annotations = record.get("annotations", [])
    size = (int(record["height"]), int(record["width"]))
    for name in ("segmentation", "keypoints"):
        if len({name in annotation for annotation in annotations}) > 1:
            raise ValueError(f"record_to_predictions: image {record.get('image_id')}: some annotations have no {name}")
    found = Instances(size)
    rotated = bool(annotations) and BoxMode(annotations[0]["bbox_mode"]) == BoxMode.XYWHA_ABS
    mode = BoxMode.XYWHA_ABS if rotated else BoxMode.XYXY_ABS
    boxes = [BoxMode.convert(list(one["bbox"]), BoxMode(one["bbox_mode"]), mode) for one in annotations]
    tensor = torch.tensor(boxes, dtype=torch.float32)
    found.pred_boxes = RotatedBoxes(tensor) if rotated else Boxes(tensor.reshape(-1, 4))
    found.pred_classes = torch.tensor([int(one["category_id"]) for one in annotations], dtype=torch.int64)
    found.scores = torch.tensor([float(one.get("score", 1.0)) for one in annotations])
    if annotations and "segmentation" in annotations[0]:
        found.pred_masks = _masks([one["segmentation"] for one in annotations], size)
    if annotations and "keypoints" in annotations[0]:
        points = torch.tensor([list(one["keypoints"]) for one in annotations], dtype=torch.float32)
        found.pred_keypoints = points.reshape(len(annotations), -1, 3)
    return found


def _segmentations(instances: Instances) -> list[Any] | None:
    if instances.has("pred_masks_rle"):
        return list(instances.pred_masks_rle)
    if not instances.has("pred_masks"):
        return None
    masks = instances.pred_masks
    if isinstance(masks, PolygonMasks):
        return [[polygon.tolist() for polygon in polygons] for polygons in masks]
    tensor = masks.tensor if isinstance(masks, BitMasks) else masks
    return [pycocotools.mask.encode(np.asfortranarray(mask, dtype=np.uint8)) for mask in tensor.cpu().numpy()]


def _masks(segmentations: list[Any], size: tuple[int, int]) -> PolygonMasks | BitMasks:
    if not any(isinstance(one, dict) for one in segmentations):
        return PolygonMasks([[np.asarray(polygon) for polygon in polygons] for polygons in segmentations])
    rows = [
        rle_to_bitmask(one, reading.MAX_PIXELS)
        if isinstance(one, dict)
        else polygons_to_bitmask([np.asarray(polygon) for polygon in one], *size)
        for one in segmentations
    ]
    return BitMasks(torch.from_numpy(np.stack(rows)))
