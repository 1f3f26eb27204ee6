"""Pairwise IoU and NMS of rotated boxes.

A rotated box is `(cx, cy, w, h, angle)`: centre, sides, and angle in degrees, counter-clockwise in an image whose y
axis points down. Angles can have any range. All computations are in float64, for any dtype.
"""

import torch

from detectory.ops._checks.arguments import check_same, check_tensor
from detectory.ops._library import ops
from detectory.ops.nms import check_suppression


def pairwise_iou_rotated(boxes1: torch.Tensor, boxes2: torch.Tensor) -> torch.Tensor:
    """Return the intersection over union of all pairs of rotated boxes.

    Args:
        boxes1: (N, 5) floating.
        boxes2: (M, 5), same dtype and device.

    Returns:
        (N, M) of the boxes' dtype, in [0, 1]. 0 for boxes with a non-positive width or height or a
        non-finite value. Not differentiable.

    Raises:
        TypeError: If an argument is not a floating tensor, or the dtypes differ.
        ValueError: If a shape is not (N, 5), or the devices differ.
    """
    check_tensor("pairwise_iou_rotated", "boxes1", boxes1, "(N, 5)")
    check_tensor("pairwise_iou_rotated", "boxes2", boxes2, "(M, 5)")
    check_same("pairwise_iou_rotated", "boxes1", boxes1, "boxes2", boxes2)
    return ops.pairwise_iou_rotated(boxes1.detach(), boxes2.detach())


def nms_rotated(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """Apply `nms` to rotated boxes.

    Args:
        boxes: (N, 5) floating.
        scores: (N,) floating; NaN is the highest score.
        iou_threshold: In [0, 1].

    Returns:
        (K,) int64 indices of the kept boxes, by descending score; ties keep the input order.

    Raises:
        TypeError: If `boxes` or `scores` is not a floating tensor.
        ValueError: If shapes or devices do not match, or the threshold is outside [0, 1].
    """
    check_suppression("nms_rotated", boxes, scores, None, iou_threshold, columns=5)
    return ops.nms_rotated(boxes.detach(), scores.detach(), iou_threshold)


def batched_nms_rotated(
    boxes: torch.Tensor, scores: torch.Tensor, idxs: torch.Tensor, iou_threshold: float
) -> torch.Tensor:
    """Apply `nms_rotated` within each class, for all classes in one call.

    Args:
        boxes: (N, 5) floating.
        scores: (N,) floating.
        idxs: (N,) integer; boxes suppress each other only where their values are equal.
        iou_threshold: In [0, 1].

    Returns:
        (K,) int64 indices of the kept boxes of all classes, by descending score; ties keep the input order.

    Raises:
        TypeError: If `boxes` or `scores` is not a floating tensor, or `idxs` not an integer tensor.
        ValueError: If shapes or devices do not match, or the threshold is outside [0, 1].
    """
    check_suppression("batched_nms_rotated", boxes, scores, idxs, iou_threshold, columns=5)
    return ops.batched_nms_rotated(boxes.detach(), scores.detach(), idxs, iou_threshold)


@torch.library.register_fake("detectory::pairwise_iou_rotated")
def _fake_iou(boxes1: torch.Tensor, boxes2: torch.Tensor) -> torch.Tensor:
    return boxes1.new_empty(boxes1.shape[0], boxes2.shape[0])


def _fake_nms(boxes: torch.Tensor, *_: object) -> torch.Tensor:
    return boxes.new_empty(torch.library.get_ctx().new_dynamic_size(), dtype=torch.int64)


for _name in ("nms_rotated", "batched_nms_rotated"):
    torch.library.register_fake(f"detectory::{_name}", _fake_nms)
for _name in ("pairwise_iou_rotated", "nms_rotated", "batched_nms_rotated"):
    for _device in ("cpu", "cuda"):
        torch.library.register_autocast(f"detectory::{_name}", _device, torch.float32)
