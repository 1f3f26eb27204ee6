"""The `Detections` of the library supervision (Roboflow)."""

from typing import Any

import numpy as np
import torch

from detectory.structures import Boxes, Instances, RotatedBoxes

from .fields import boxes_of, classes_of, masks_of

#: Where supervision keeps the corners of rotated boxes, and names of classes.
_CORNERS, _NAMES = "xyxyxyxy", "class_name"


def to_supervision(instances: Instances, class_names: list[str] | None = None) -> Any:
    """Return one image's objects as `supervision.Detections`.

    Args:
        instances: With `pred_boxes` or `gt_boxes`, and as far as they are there classes, `scores`, masks and `ID`.
            Rotated boxes become their upright bounds and `data["xyxyxyxy"]`.
        class_names: Names of the classes for `data["class_name"]`.

    Raises:
        ImportError: supervision is not installed.
        ValueError: there are no boxes.
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
        data[_NAMES] = np.array([class_names[index] for index in classes.tolist()])
    return supervision.Detections(
        xyxy=boxes.reshape(-1, 4),
        mask=None if masks is None else _array(masks),
        confidence=_array(instances.scores).astype(np.float32) if instances.has("scores") else None,
        class_id=None if classes is None else _array(classes).astype(int),
        tracker_id=np.asarray([int(identity) for identity in instances.ID]) if instances.has("ID") else None,
        data=data,
    )


def from_supervision(detections: Any, image_size: tuple[int, int]) -> Instances:
    """Return `supervision.Detections`, or any object with its attributes, as predictions.

    Args:
        detections: With `xyxy`, and as far as they are not None `mask`, `confidence`, `class_id`,
            `tracker_id` and `data["xyxyxyxy"]`, which gives rotated boxes.
        image_size: `(height, width)`.
    """
    corners = (getattr(detections, "data", None) or {}).get(_CORNERS)
    found = Instances(image_size)
    if corners is not None:
        found.pred_boxes = RotatedBoxes(torch.from_numpy(_rotated(np.asarray(corners, dtype=np.float32))))
    else:
        found.pred_boxes = Boxes(torch.from_numpy(np.array(detections.xyxy, dtype=np.float32).reshape(-1, 4)))
    if detections.confidence is not None:
        found.scores = torch.from_numpy(np.array(detections.confidence, dtype=np.float32))
    if detections.class_id is not None:
        found.pred_classes = torch.from_numpy(np.array(detections.class_id, dtype=np.int64))
    if detections.mask is not None:
        found.pred_masks = torch.from_numpy(np.array(detections.mask, dtype=bool))
    if detections.tracker_id is not None:
        found.ID = [int(identity) for identity in detections.tracker_id]
    return found


def _array(values: Any) -> np.ndarray:
    return values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)


def _corners(boxes: np.ndarray) -> np.ndarray:
    """Corners (N, 4, 2) of rotated boxes (N, 5); the second follows the first along the width."""
    angle = np.deg2rad(boxes[:, 4])
    along = np.stack([np.cos(angle), -np.sin(angle)], axis=1) * boxes[:, 2:3] / 2
    across = np.stack([np.sin(angle), np.cos(angle)], axis=1) * boxes[:, 3:4] / 2
    center = boxes[:, :2]
    return np.stack(
        [center - along - across, center + along - across, center + along + across, center - along + across], axis=1
    ).astype(np.float32)


def _rotated(corners: np.ndarray) -> np.ndarray:
    """Rotated boxes (N, 5) of corners (N, 4, 2), in the order that `_corners` gives them."""
    width, height = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 1]
    sides = np.stack([np.hypot(*width.T), np.hypot(*height.T)], axis=1)
    degrees = np.rad2deg(np.arctan2(-width[:, 1], width[:, 0]))[:, None]
    return np.concatenate([corners.mean(axis=1), sides, degrees], axis=1).astype(np.float32)
