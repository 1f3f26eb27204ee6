"""Non-maximum suppression under Detectron2's module path, scriptable."""

import torch
from torch import Tensor

from detectory import ops
from detectory.ops import nms

__all__ = ["batched_nms", "batched_nms_rotated", "nms", "nms_rotated"]


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """Apply NMS within each group of boxes; see `detectory.ops.batched_nms`."""
    if torch.jit.is_scripting():
        return torch.ops.detectory.batched_nms(boxes.float(), scores, idxs, iou_threshold)

    # Programs disable NMS with thresholds above 1.
    return ops.batched_nms(boxes.float(), scores, idxs, min(iou_threshold, 1.0))


def nms_rotated(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Apply NMS to rotated boxes; see `detectory.ops.nms_rotated`."""
    if torch.jit.is_scripting():
        return torch.ops.detectory.nms_rotated(boxes, scores, iou_threshold)

    return ops.nms_rotated(boxes, scores, iou_threshold)


def batched_nms_rotated(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """Apply NMS within each group of rotated boxes; see `detectory.ops.batched_nms_rotated`."""
    if torch.jit.is_scripting():
        return torch.ops.detectory.batched_nms_rotated(boxes, scores, idxs, iou_threshold)

    return ops.batched_nms_rotated(boxes, scores, idxs, iou_threshold)
