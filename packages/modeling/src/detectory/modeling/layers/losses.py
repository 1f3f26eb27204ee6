"""Box and classification losses."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from detectory.core.suggestions import nearest

REDUCTIONS = ("none", "mean", "sum")


def _reduce(loss: Tensor, reduction: str, function: str) -> Tensor:
    """Reduce losses for the function of this name; the mean of no elements is 0, connected to the graph."""
    if reduction == "none":
        return loss
    if reduction == "sum":
        return loss.sum()
    if reduction == "mean":
        return loss.mean() if loss.numel() > 0 else 0.0 * loss.sum()
    raise ValueError(f"{function}: unknown reduction {reduction!r}; {nearest(reduction, REDUCTIONS)}")


def smooth_l1_loss(input: Tensor, target: Tensor, beta: float, reduction: str = "none") -> Tensor:
    """Smooth L1 loss: quadratic for differences below `beta`, linear above.

    Args:
        input: Predictions of any shape.
        target: Targets of the same shape.
        beta: Threshold between the two parts; the loss is plain L1 if it is less than 1e-5.
        reduction: `"none"`, `"mean"` or `"sum"`; the mean of no elements is 0.

    Raises:
        ValueError: If `reduction` is unknown.

    Source: Girshick, "Fast R-CNN", 2015, equation 3, with the threshold `beta` instead of 1.
    """
    difference = (input - target).abs()
    if beta < 1e-5:
        loss = difference  # `torch.where` would divide by zero, and its gradient would be NaN
    else:
        loss = torch.where(difference < beta, 0.5 * difference**2 / beta, difference - 0.5 * beta)
    return _reduce(loss, reduction, "smooth_l1_loss")


def _overlap(boxes1: Tensor, boxes2: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the IoU and union of paired boxes, and the width and height of their enclosing boxes, each `(N,)`."""
    top_left = torch.maximum(boxes1[..., :2], boxes2[..., :2])
    bottom_right = torch.minimum(boxes1[..., 2:], boxes2[..., 2:])
    intersection = (bottom_right - top_left).clamp(min=0).prod(-1)
    area1 = (boxes1[..., 2:] - boxes1[..., :2]).prod(-1)
    area2 = (boxes2[..., 2:] - boxes2[..., :2]).prod(-1)
    union = area1 + area2 - intersection
    enclosing = torch.maximum(boxes1[..., 2:], boxes2[..., 2:]) - torch.minimum(boxes1[..., :2], boxes2[..., :2])
    return intersection / (union + eps), union, enclosing[..., 0], enclosing[..., 1]


def giou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """Generalized IoU loss of paired boxes: `1 - GIoU`, in [0, 2].

    Args:
        boxes1: `(N, 4)` boxes `(x1, y1, x2, y2)`.
        boxes2: `(N, 4)` boxes.
        reduction: `"none"`, `"mean"` or `"sum"`; the mean of no elements is 0.
        eps: Constant added to denominators.

    Raises:
        ValueError: If `reduction` is unknown.

    Source: Rezatofighi et al., "Generalized Intersection over Union", 2019, algorithm 1.
    """
    iou, union, width, height = _overlap(boxes1, boxes2, eps)
    enclosing_area = width * height
    return _reduce(1 - iou + (enclosing_area - union) / (enclosing_area + eps), reduction, "giou_loss")


def diou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """Distance-IoU loss of paired boxes: `1 - IoU` plus a penalty for the distance of the centers.

    The penalty is the squared distance relative to the squared diagonal of the enclosing box. The arguments are those
    of `giou_loss`.

    Source: Zheng et al., "Distance-IoU Loss", 2020, equations 6 and 7.
    """
    return _reduce(_distance_iou_loss(boxes1, boxes2, eps)[0], reduction, "diou_loss")


def _distance_iou_loss(boxes1: Tensor, boxes2: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Return the DIoU loss and the IoU of paired boxes, each `(N,)`."""
    iou, _, width, height = _overlap(boxes1, boxes2, eps)
    center_offset = (boxes1[..., :2] + boxes1[..., 2:] - boxes2[..., :2] - boxes2[..., 2:]) / 2
    return 1 - iou + (center_offset**2).sum(-1) / (width**2 + height**2 + eps), iou


def ciou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """Complete-IoU loss of paired boxes: `diou_loss` plus a penalty for different aspect ratios.

    The arguments are those of `giou_loss`.

    Source: Zheng et al., "Distance-IoU Loss", 2020, equations 8 to 11.
    """
    loss, iou = _distance_iou_loss(boxes1, boxes2, eps)
    size1 = boxes1[..., 2:] - boxes1[..., :2]
    size2 = boxes2[..., 2:] - boxes2[..., :2]
    angle1 = torch.atan2(size1[..., 0], size1[..., 1])
    angle2 = torch.atan2(size2[..., 0], size2[..., 1])
    aspect_penalty = (4 / math.pi**2) * (angle2 - angle1) ** 2
    with torch.no_grad():
        # Like the authors' implementation, do not differentiate the trade-off parameter.
        alpha = aspect_penalty / (1 - iou + aspect_penalty + eps)
    return _reduce(loss + alpha * aspect_penalty, reduction, "ciou_loss")


def cross_entropy(input: Tensor, target: Tensor, *, reduction: str = "mean", **kwargs: Any) -> Tensor:
    """`torch.nn.functional.cross_entropy`, but the mean without targets is 0, connected to the graph, not NaN."""
    if target.numel() == 0 and reduction == "mean":
        return input.sum() * 0.0
    return F.cross_entropy(input, target, reduction=reduction, **kwargs)


def quality_focal_loss(logits: Tensor, targets: Tensor, beta: float) -> Tensor:
    """Return the summed quality focal loss.

    Args:
        logits: Of any shape.
        targets: Qualities in [0, 1] of the same shape.
        beta: Exponent of the distance between prediction and target.

    Source: Li et al., "Generalized Focal Loss", 2020, equation 3.
    """
    cross_entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return (cross_entropy * (logits.sigmoid() - targets).abs().pow(beta)).sum()
