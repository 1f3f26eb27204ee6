"""Detection operators in C++ and CUDA, each also registered as `torch.ops.detectory.<name>`."""

from detectory.ops.boxes import pairwise_giou, pairwise_ioa, pairwise_iou
from detectory.ops.nms import batched_nms, nms

__all__ = [
    "batched_nms",
    "nms",
    "pairwise_giou",
    "pairwise_ioa",
    "pairwise_iou",
]
