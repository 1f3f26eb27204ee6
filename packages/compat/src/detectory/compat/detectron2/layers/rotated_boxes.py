"""Overlap of rotated boxes under Detectron2's module path, also for scripted code."""

import torch
from torch import Tensor

from detectory import ops

__all__ = ["pairwise_iou_rotated"]


def pairwise_iou_rotated(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Return the IoU of every pair; arguments and result as of `detectory.ops.pairwise_iou_rotated`."""
    if torch.jit.is_scripting():
        return torch.ops.detectory.pairwise_iou_rotated(boxes1.detach(), boxes2.detach())

    return ops.pairwise_iou_rotated(boxes1, boxes2)
