"""Conversion of instances to the NumPy arrays that the visualizers use."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from detectory.structures import Boxes, Instances, Keypoints, RotatedBoxes

from .drawing.primitives import rotated_corners
from .masks.generic_mask import GenericMask, generic_masks


def upright_boxes_and_classes(predictions: Instances) -> tuple[np.ndarray, list[int]]:
    """Return the bounding boxes of predictions, computed from their boxes or masks, and their classes.

    Returns:
        Boxes (N, 4) float64 as (x1, y1, x2, y2), and N class ids, all 0 if the classes are unknown.
    """
    count = instance_count(predictions)
    if not count:
        return np.zeros((0, 4)), []
    classes = predictions.pred_classes.tolist() if predictions.has("pred_classes") else [0] * count
    if predictions.has("pred_boxes"):
        boxes = float_array(predictions.pred_boxes)
        if boxes.shape[1] == 5:
            corners = [rotated_corners(box) for box in boxes]
            return np.array([[*c.min(axis=0), *c.max(axis=0)] for c in corners]).reshape(-1, 4), classes
        return boxes, classes
    masks = predictions.pred_masks if predictions.has("pred_masks") else predictions.pred_masks_rle
    height, width = predictions.image_size
    return np.array([mask.bbox() for mask in generic_masks(masks, height, width)]).reshape(-1, 4), classes


def instance_count(predictions: Instances) -> int:
    """Return the number of objects; 0 if the instances have no fields."""
    return len(predictions) if predictions.get_fields() else 0


def float_array(values: Any) -> np.ndarray:
    """Convert boxes, keypoints, a tensor or a nested list to a float64 array."""
    if isinstance(values, (Boxes, RotatedBoxes, Keypoints)):
        values = values.tensor
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().numpy()
    return np.asarray(values, dtype=np.float64)


def drawing_areas(boxes: np.ndarray | None, masks: Sequence[GenericMask] | None, count: int) -> np.ndarray:
    """Return the areas (N,) of N instances, by which they are ordered for drawing: of boxes, else of masks, else 0."""
    if boxes is not None:
        with np.errstate(invalid="ignore"):  # Boxes with NaN or infinite coordinates are not drawn.
            return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    if masks is not None:
        return np.array([mask.area() for mask in masks])
    return np.zeros(count)
