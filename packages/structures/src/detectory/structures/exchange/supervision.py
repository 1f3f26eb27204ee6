"""Conversion to and from `Detections` of Roboflow's library supervision."""

from typing import Any

import numpy as np
import torch

from detectory.structures import Boxes, Instances, RotatedBoxes

from .fields import boxes_of, classes_of, masks_of

# Keys of `Detections.data` for the corners of rotated boxes and for class names.
_CORNERS, _CLASS_NAMES = "xyxyxyxy", "class_name"


def to_supervision(instances: Instances, class_names: list[str] | None = None) -> Any:
    """Return the objects of one image as `supervision.Detections`.

    Args:
        instances: Predictions or ground truth with boxes and optionally classes, `scores`, masks and `ID` (track ids).
            Rotated boxes become axis-aligned bounding boxes plus the corners `data["xyxyxyxy"]`.
        class_names: The names of the classes, for `data["class_name"]`.

    Raises:
        ImportError: If supervision is not installed.
        ValueError: If the field with boxes is missing.
    """
    try:
        import supervision
    except ImportError as error:
        raise ImportError("to_supervision: pip install 'detectory-structures[supervision]'") from error
    boxes = _array(boxes_of(instances)).astype(np.float32)
    data: dict[str, Any] = {}
    if boxes.shape[1] == 5:
        data[_CORNERS] = _corners(boxes)
        boxes = np.concatenate([data[_CORNERS].min(axis=1), data[_CORNERS].max(axis=1)], axis=1)
    classes, masks = classes_of(instances), masks_of(instances)
    if class_names is not None and classes is not None:
        data[_CLASS_NAMES] = np.array([class_names[index] for index in classes.tolist()])
    return supervision.Detections(
        xyxy=boxes.reshape(-1, 4),
        mask=None if masks is None else _array(masks),
        confidence=_array(instances.scores).astype(np.float32) if instances.has("scores") else None,
        class_id=None if classes is None else _array(classes).astype(int),
        tracker_id=np.asarray([int(track_id) for track_id in instances.ID]) if instances.has("ID") else None,
        data=data,
    )


def from_supervision(detections: Any, image_size: tuple[int, int]) -> Instances:
    """Return `supervision.Detections`, or any object with its attributes, as predictions.

    Args:
        detections: An object with `xyxy` and optionally `mask`, `confidence`, `class_id` and `tracker_id`. The boxes of
            the result are rotated if `data["xyxyxyxy"]` exists.
        image_size: `(height, width)` of the image.
    """
    corners = (getattr(detections, "data", None) or {}).get(_CORNERS)
    instances = Instances(image_size)
    if corners is not None:
        instances.pred_boxes = RotatedBoxes(torch.from_numpy(_rotated_boxes(np.asarray(corners, dtype=np.float32))))
    else:
        instances.pred_boxes = Boxes(torch.from_numpy(np.array(detections.xyxy, dtype=np.float32).reshape(-1, 4)))
    if detections.confidence is not None:
        instances.scores = torch.from_numpy(np.array(detections.confidence, dtype=np.float32))
    if detections.class_id is not None:
        instances.pred_classes = torch.from_numpy(np.array(detections.class_id, dtype=np.int64))
    if detections.mask is not None:
        instances.pred_masks = torch.from_numpy(np.array(detections.mask, dtype=bool))
    if detections.tracker_id is not None:
        instances.ID = [int(track_id) for track_id in detections.tracker_id]
    return instances


def _array(values: Any) -> np.ndarray:
    return values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)


def _corners(boxes: np.ndarray) -> np.ndarray:
    """Return the corners (N, 4, 2) of rotated boxes (N, 5). The first two corners span the width."""
    angle = np.deg2rad(boxes[:, 4])
    along = np.stack([np.cos(angle), -np.sin(angle)], axis=1) * boxes[:, 2:3] / 2
    across = np.stack([np.sin(angle), np.cos(angle)], axis=1) * boxes[:, 3:4] / 2
    center = boxes[:, :2]
    return np.stack(
        [center - along - across, center + along - across, center + along + across, center - along + across], axis=1
    ).astype(np.float32)


def _rotated_boxes(corners: np.ndarray) -> np.ndarray:
    """Return the rotated boxes (N, 5) of corners (N, 4, 2), the inverse of `_corners`."""
    width, height = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 1]
    sides = np.stack([np.hypot(*width.T), np.hypot(*height.T)], axis=1)
    degrees = np.rad2deg(np.arctan2(-width[:, 1], width[:, 0]))[:, None]
    return np.concatenate([corners.mean(axis=1), sides, degrees], axis=1).astype(np.float32)
