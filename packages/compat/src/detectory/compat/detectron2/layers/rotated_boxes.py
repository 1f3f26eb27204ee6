"""IoU of rotated boxes under Detectron2's module path, scriptable."""

import torch
from torch import Tensor

from detectory import ops

__all__ = ["pairwise_iou_rotated"]


def pairwise_iou_rotated(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Return the pairwise IoU of rotated boxes; see `detectory.ops.pairwise_iou_rotated`."""
    if torch.jit.is_scripting():
        return torch.ops.detectory.pairwise_iou_rotated(boxes1.detach(), boxes2.detach())

    return ops.pairwise_iou_rotated(boxes1, boxes2)
