"""Comparisons of every box with every box."""

import torch

from detectory import ops

from .boxes import Boxes
from .rotated_boxes import RotatedBoxes


def _check(function: str, kind: type, **boxes: object) -> None:
    for name, value in boxes.items():
        if not isinstance(value, kind) or (kind is Boxes and isinstance(value, RotatedBoxes)):
            raise TypeError(f"{function}: {name} must be {kind.__name__}, got {type(value).__name__}")


def pairwise_intersection(boxes1: Boxes, boxes2: Boxes) -> torch.Tensor:
    """Return the areas of intersection, shape (N, M), of N boxes with M boxes."""
    _check("pairwise_intersection", Boxes, boxes1=boxes1, boxes2=boxes2)
    first, second = boxes1.tensor[:, None], boxes2.tensor  # (N, 1, 4), (M, 4)
    top_left = torch.maximum(first[..., :2], second[:, :2])
    sides = (torch.minimum(first[..., 2:], second[:, 2:]) - top_left).clamp(min=0)  # (N, M, 2)
    return sides.prod(dim=2)


def pairwise_iou(boxes1: Boxes, boxes2: Boxes) -> torch.Tensor:
    """Return intersection over union, shape (N, M); 0 where two boxes do not overlap."""
    _check("pairwise_iou", Boxes, boxes1=boxes1, boxes2=boxes2)
    return ops.pairwise_iou(boxes1.tensor, boxes2.tensor)


def pairwise_ioa(boxes1: Boxes, boxes2: Boxes) -> torch.Tensor:
    """Return intersection over the area of `boxes2`, shape (N, M); 0 where two boxes do not overlap."""
    _check("pairwise_ioa", Boxes, boxes1=boxes1, boxes2=boxes2)
    return ops.pairwise_ioa(boxes1.tensor, boxes2.tensor)


def pairwise_iou_rotated(boxes1: RotatedBoxes, boxes2: RotatedBoxes) -> torch.Tensor:
    """Return intersection over union of rotated boxes, shape (N, M)."""
    _check("pairwise_iou_rotated", RotatedBoxes, boxes1=boxes1, boxes2=boxes2)
    return ops.pairwise_iou_rotated(boxes1.tensor, boxes2.tensor)


def matched_pairwise_iou(boxes1: Boxes, boxes2: Boxes) -> torch.Tensor:
    """Return intersection over union of the i-th box of one list and the i-th of the other, shape (N,).

    Raises:
        ValueError: when the lists have different lengths.
    """
    _check("matched_pairwise_iou", Boxes, boxes1=boxes1, boxes2=boxes2)
    first, second = boxes1.tensor, boxes2.tensor
    if first.shape[0] != second.shape[0]:
        raise ValueError(f"matched_pairwise_iou: lists must be equally long, got {len(boxes1)} and {len(boxes2)} boxes")
    top_left = torch.maximum(first[:, :2], second[:, :2])
    sides = (torch.minimum(first[:, 2:], second[:, 2:]) - top_left).clamp(min=0)
    intersection = sides[:, 0] * sides[:, 1]
    union = boxes1.area() + boxes2.area() - intersection
    return torch.where(intersection > 0, intersection / union, intersection)


def pairwise_point_box_distance(points: torch.Tensor, boxes: Boxes) -> torch.Tensor:
    """Return the signed distances from points to the sides of boxes.

    Args:
        points: `(x, y)`, shape (P, 2).
        boxes: M boxes.

    Returns:
        Shape (P, M, 4): to the left, top, right and bottom side; all positive inside the box.
    """
    _check("pairwise_point_box_distance", Boxes, boxes=boxes)
    if points.dim() != 2 or points.shape[1] != 2:
        raise ValueError(f"pairwise_point_box_distance: points must have shape (P, 2), got {tuple(points.shape)}")
    x, y = points[:, None].unbind(dim=2)  # (P, 1)
    x1, y1, x2, y2 = boxes.tensor.unbind(dim=1)  # (M,)
    return torch.stack([x - x1, y - y1, x2 - x, y2 - y], dim=2)
