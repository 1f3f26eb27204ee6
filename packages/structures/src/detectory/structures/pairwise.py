"""Overlaps and distances between two collections of boxes."""

import torch

from detectory import ops

from .boxes import Boxes
from .rotated_boxes import RotatedBoxes


def _check(function: str, expected: type[Boxes], **arguments: object) -> None:
    for name, boxes in arguments.items():
        # RotatedBoxes are Boxes, but axis-aligned geometry would misread their columns.
        if not isinstance(boxes, expected) or (expected is Boxes and isinstance(boxes, RotatedBoxes)):
            raise TypeError(f"{function}: {name} must be {expected.__name__}, got {type(boxes).__name__}")


def _intersection(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return the areas of intersection of boxes (…, 4), broadcast against each other."""
    top_left = torch.maximum(first[..., :2], second[..., :2])
    sides = (torch.minimum(first[..., 2:], second[..., 2:]) - top_left).clamp(min=0)  # (…, 2)
    return sides[..., 0] * sides[..., 1]


def pairwise_intersection(boxes1: Boxes, boxes2: Boxes) -> torch.Tensor:
    """Return the areas of intersection between N boxes and M boxes, shape (N, M)."""
    _check("pairwise_intersection", Boxes, boxes1=boxes1, boxes2=boxes2)
    return _intersection(boxes1.tensor[:, None], boxes2.tensor)


def pairwise_iou(boxes1: Boxes, boxes2: Boxes) -> torch.Tensor:
    """Return intersection over union between N boxes and M boxes, shape (N, M); 0 for disjoint boxes."""
    if torch.jit.is_scripting():
        return torch.ops.detectory.pairwise_iou(boxes1.tensor, boxes2.tensor)
    _check("pairwise_iou", Boxes, boxes1=boxes1, boxes2=boxes2)
    return ops.pairwise_iou(boxes1.tensor, boxes2.tensor)


def pairwise_ioa(boxes1: Boxes, boxes2: Boxes) -> torch.Tensor:
    """Return intersection over the area of `boxes2` between N boxes and M boxes, shape (N, M); 0 for disjoint boxes."""
    if torch.jit.is_scripting():
        return torch.ops.detectory.pairwise_ioa(boxes1.tensor, boxes2.tensor)
    _check("pairwise_ioa", Boxes, boxes1=boxes1, boxes2=boxes2)
    return ops.pairwise_ioa(boxes1.tensor, boxes2.tensor)


def pairwise_iou_rotated(boxes1: RotatedBoxes, boxes2: RotatedBoxes) -> torch.Tensor:
    """Return intersection over union between N and M rotated boxes, shape (N, M)."""
    if torch.jit.is_scripting():
        return torch.ops.detectory.pairwise_iou_rotated(boxes1.tensor, boxes2.tensor)
    _check("pairwise_iou_rotated", RotatedBoxes, boxes1=boxes1, boxes2=boxes2)
    return ops.pairwise_iou_rotated(boxes1.tensor, boxes2.tensor)


def matched_pairwise_iou(boxes1: Boxes, boxes2: Boxes) -> torch.Tensor:
    """Return intersection over union between the i-th box of `boxes1` and the i-th box of `boxes2`, shape (N,).

    Raises:
        ValueError: If the numbers of boxes differ.
    """
    _check("matched_pairwise_iou", Boxes, boxes1=boxes1, boxes2=boxes2)
    if len(boxes1.tensor) != len(boxes2.tensor):
        raise ValueError(
            f"matched_pairwise_iou: boxes1 and boxes2 must have the same length, got {len(boxes1)} and {len(boxes2)}"
        )
    intersection = _intersection(boxes1.tensor, boxes2.tensor)
    union = boxes1.area() + boxes2.area() - intersection
    return torch.where(intersection > 0, intersection / union, intersection)


def pairwise_point_box_distance(points: torch.Tensor, boxes: Boxes) -> torch.Tensor:
    """Return the signed distances from points to the sides of boxes.

    Args:
        points: `(x, y)` in pixels, shape (P, 2).
        boxes: M boxes.

    Returns:
        Shape (P, M, 4): distances to the left, top, right and bottom side, all positive if the point is inside the box.

    Raises:
        ValueError: If the shape of `points` is invalid.
    """
    _check("pairwise_point_box_distance", Boxes, boxes=boxes)
    if points.dim() != 2 or points.shape[1] != 2:
        raise ValueError(f"pairwise_point_box_distance: points must have shape (P, 2), got {tuple(points.shape)}")
    x, y = points[:, None].unbind(dim=2)  # (P, 1)
    x1, y1, x2, y2 = boxes.tensor.unbind(dim=1)  # (M,)
    return torch.stack([x - x1, y - y1, x2 - x, y2 - y], dim=2)
