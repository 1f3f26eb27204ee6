"""Overlap and suppression of rotated boxes.

A rotated box is `(cx, cy, w, h, angle)`: centre, sides, and degrees counter-clockwise as seen in an image, whose y axis
points down. Angles need not be normalised. Everything is computed in float64, whatever the dtype.
"""

import torch

from detectory.ops._arguments import check_same, check_tensor
from detectory.ops._library import ops
from detectory.ops.nms import check_suppression


def pairwise_iou_rotated(boxes1: torch.Tensor, boxes2: torch.Tensor) -> torch.Tensor:
    """Intersection over union of all pairs of rotated boxes.

    Args:
        boxes1: (N, 5) floating.
        boxes2: (M, 5), same dtype and device.

    Returns:
        (N, M) of the boxes' dtype, in [0, 1]. Boxes whose width or height is not positive, or with a value that is not
        finite, overlap nothing. Not differentiable.

    Raises:
        TypeError: an argument is not a floating tensor, or the dtypes differ.
        ValueError: a shape is not (N, 5), or the devices differ.
    """
    check_tensor("pairwise_iou_rotated", "boxes1", boxes1, "(N, 5)")
    check_tensor("pairwise_iou_rotated", "boxes2", boxes2, "(M, 5)")
    check_same("pairwise_iou_rotated", "boxes1", boxes1, "boxes2", boxes2)
    return ops.pairwise_iou_rotated(boxes1.detach(), boxes2.detach())


def nms_rotated(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """`nms` for rotated boxes.

    Args:
        boxes: (N, 5) floating.
        scores: (N,) floating; NaN counts as the highest score.
        iou_threshold: In [0, 1].

    Returns:
        (K,) int64 indices of the kept boxes, by descending score; ties keep the order of the input.

    Raises:
        TypeError: boxes or scores are no floating tensors.
        ValueError: shapes or devices do not fit, or the threshold is outside [0, 1].
    """
    check_suppression("nms_rotated", boxes, scores, None, iou_threshold, columns=5)
    return ops.nms_rotated(boxes.detach(), scores.detach(), iou_threshold)


def batched_nms_rotated(
    boxes: torch.Tensor, scores: torch.Tensor, idxs: torch.Tensor, iou_threshold: float
) -> torch.Tensor:
    """`nms_rotated` inside each class, all classes in one call.

    Args:
        boxes: (N, 5) floating.
        scores: (N,) floating.
        idxs: (N,) integer; boxes suppress each other only where their values are equal.
        iou_threshold: In [0, 1].

    Returns:
        (K,) int64 indices of the kept boxes of all classes, by descending score; ties keep the order of the input.

    Raises:
        TypeError: boxes or scores are no floating tensors, or idxs no integer tensor.
        ValueError: shapes or devices do not fit, or the threshold is outside [0, 1].
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
