"""Conversion between predictions and records, so that dataset readers and writers also work with predictions."""

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
    """Convert the predictions for one image to a record. Its annotations have an additional field `score`.

    Args:
        instances: Instances with `pred_boxes`, and optionally `scores`, `pred_classes`, `pred_masks` (shape (N, H, W),
            `BitMasks` or `PolygonMasks`), `pred_masks_rle` and `pred_keypoints` (shape (N, K, 3)).
        file_name: The path of the image.
        image_id: The id of the image.

    Example:
        >>> record = predictions_to_record(Instances((4, 4), pred_boxes=Boxes([[0.0, 0.0, 2.0, 4.0]])), "street.jpg")
        >>> record["annotations"][0]["bbox"], record["file_name"]
        ([0.0, 0.0, 2.0, 4.0], 'street.jpg')
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
    """Convert the annotations of a record to predictions. Annotations without `score` get the score 1.

    Args:
        record: A record with `height`, `width` and `annotations`. `segmentation` and `keypoints` must be present in all
            annotations or in none.

    Returns:
        Instances with `pred_boxes`, `pred_classes`, `scores`, and if present `pred_masks` (`PolygonMasks`, or
        `BitMasks` if a segmentation is an RLE) and `pred_keypoints` (shape (N, K, 3)).

    Raises:
        ValueError: If only some annotations have `segmentation` or `keypoints`.
    """
    annotations = record.get("annotations", [])
    size = (int(record["height"]), int(record["width"]))
    for name in ("segmentation", "keypoints"):
        if len({name in annotation for annotation in annotations}) > 1:
            raise ValueError(
                f"record_to_predictions: image {record.get('image_id')}: "
                f"{name!r} must be present in all annotations or in none"
            )
    is_rotated = bool(annotations) and BoxMode(annotations[0]["bbox_mode"]) == BoxMode.XYWHA_ABS
    mode = BoxMode.XYWHA_ABS if is_rotated else BoxMode.XYXY_ABS
    boxes = torch.tensor([_box(annotation, mode, size) for annotation in annotations], dtype=torch.float32)
    classes = [int(annotation["category_id"]) for annotation in annotations]
    predictions = Instances(size)
    predictions.pred_boxes = RotatedBoxes(boxes) if is_rotated else Boxes(boxes.reshape(-1, 4))
    predictions.pred_classes = torch.tensor(classes, dtype=torch.int64)
    predictions.scores = torch.tensor([float(annotation.get("score", 1.0)) for annotation in annotations])
    if annotations and "segmentation" in annotations[0]:
        predictions.pred_masks = _masks([annotation["segmentation"] for annotation in annotations], size)
    if annotations and "keypoints" in annotations[0]:
        keypoints = [list(annotation["keypoints"]) for annotation in annotations]
        predictions.pred_keypoints = torch.tensor(keypoints, dtype=torch.float32).reshape(len(annotations), -1, 3)
    return predictions


def _box(annotation: Mapping[str, Any], mode: BoxMode, size: tuple[int, int]) -> list[float]:
    from_mode = BoxMode(annotation["bbox_mode"])
    if from_mode == mode:
        return list(annotation["bbox"])
    return BoxMode.convert(list(annotation["bbox"]), from_mode, mode, size)


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
    if not any(isinstance(segmentation, dict) for segmentation in segmentations):
        return PolygonMasks([[np.asarray(polygon) for polygon in polygons] for polygons in segmentations])
    masks = [
        rle_to_bitmask(segmentation, reading.MAX_PIXELS)
        if isinstance(segmentation, dict)
        else polygons_to_bitmask([np.asarray(polygon) for polygon in segmentation], *size)
        for segmentation in segmentations
    ]
    return BitMasks(torch.from_numpy(np.stack(masks)))
