"""Detection operators in C++ and CUDA, each also registered as `torch.ops.detectory.<name>`."""

from detectory.ops.boxes import pairwise_giou, pairwise_ioa, pairwise_iou

__all__ = [
    "pairwise_giou",
    "pairwise_ioa",
    "pairwise_iou",
]
