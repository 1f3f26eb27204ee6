"""Losses between boxes and between scores."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from detectory.core.suggestions import nearest

REDUCTIONS = ("none", "mean", "sum")


def _reduce(loss: Tensor, reduction: str, function: str) -> Tensor:
    """Sum or average a loss per element; the mean of nothing is zero and keeps its graph."""
    if reduction == "none":
        return loss
    if reduction == "sum":
        return loss.sum()
    if reduction == "mean":
        return loss.mean() if loss.numel() > 0 else 0.0 * loss.sum()
    raise ValueError(f"{function}: unknown reduction {reduction!r}; {nearest(reduction, REDUCTIONS)}")


def smooth_l1_loss(input: Tensor, target: Tensor, beta: float, reduction: str = "none") -> Tensor:
    """Absolute difference, rounded off to a parabola within `beta` of zero.

    Args:
        input: Predictions of any shape.
        target: Targets of the same shape.
        beta: Where parabola and line meet; below 1e-5 the loss is plain L1.
        reduction: `"none"`, `"mean"` or `"sum"`; the mean of nothing is zero.

    Source: Girshick, "Fast R-CNN", 2015, equation 3, with the corner moved from 1 to `beta`.
    """
    distance = (input - target).abs()
    if beta >= 1e-5:
        distance = torch.where(distance < beta, 0.5 * distance**2 / beta, distance - 0.5 * beta)
    return _reduce(distance, reduction, "smooth_l1_loss")


def _overlap(boxes1: Tensor, boxes2: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return row by row the IoU, the union, and width and height of the smallest box around both."""
    low = torch.maximum(boxes1[..., :2], boxes2[..., :2])
    high = torch.minimum(boxes1[..., 2:], boxes2[..., 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    area1 = (boxes1[..., 2:] - boxes1[..., :2]).prod(-1)
    area2 = (boxes2[..., 2:] - boxes2[..., :2]).prod(-1)
    union = area1 + area2 - shared
    around = torch.maximum(boxes1[..., 2:], boxes2[..., 2:]) - torch.minimum(boxes1[..., :2], boxes2[..., :2])
    return shared / (union + eps), union, around[..., 0], around[..., 1]


def giou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """One minus the generalised IoU of paired boxes `(N, 4)`, in `[0, 2]`.

    Args:
        boxes1: `(x1, y1, x2, y2)` in pixels.
        boxes2: The same number of boxes.
        reduction: `"none"`, `"mean"` or `"sum"`.
        eps: Keeps divisions finite.

    Source: Rezatofighi et al., "Generalized Intersection over Union", 2019, algorithm 1.
    """
    iou, union, width, height = _overlap(boxes1, boxes2, eps)
    hull = width * height
    return _reduce(1 - iou + (hull - union) / (hull + eps), reduction, "giou_loss")


def diou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """One minus the IoU, plus the centres' squared distance relative to the hull's diagonal.

    Arguments are those of `giou_loss`.

    Source: Zheng et al., "Distance-IoU Loss", 2020, equations 6 and 7.
    """
    return _reduce(_distance_iou_loss(boxes1, boxes2, eps)[0], reduction, "diou_loss")


def _distance_iou_loss(boxes1: Tensor, boxes2: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    iou, _, width, height = _overlap(boxes1, boxes2, eps)
    apart = (boxes1[..., :2] + boxes1[..., 2:] - boxes2[..., :2] - boxes2[..., 2:]) / 2
    return 1 - iou + (apart**2).sum(-1) / (width**2 + height**2 + eps), iou


def ciou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """`diou_loss` plus a term for different aspect ratios.

    Arguments are those of `giou_loss`.

    Source: Zheng et al., "Distance-IoU Loss", 2020, equations 8 to 11.
    """
    loss, iou = _distance_iou_loss(boxes1, boxes2, eps)
    size1, size2 = boxes1[..., 2:] - boxes1[..., :2], boxes2[..., 2:] - boxes2[..., :2]
    angle1, angle2 = (torch.atan2(size[..., 0], size[..., 1]) for size in (size1, size2))
    shape = (4 / math.pi**2) * (angle2 - angle1) ** 2
    with torch.no_grad():
        # The weight of the term is a constant for the gradient, as the paper's code has it.
        alpha = shape / (1 - iou + shape + eps)
    return _reduce(loss + alpha * shape, reduction, "ciou_loss")


def cross_entropy(input: Tensor, target: Tensor, *, reduction: str = "mean", **kwargs: Any) -> Tensor:
    """`torch.nn.functional.cross_entropy` whose mean over nothing is zero, with a graph, instead of NaN."""
    if target.numel() == 0 and reduction == "mean":
        return input.sum() * 0.0
    return F.cross_entropy(input, target, reduction=reduction, **kwargs)
