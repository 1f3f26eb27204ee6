"""Overlap of every box of one set with every box of another.

Boxes are `(x1, y1, x2, y2)` in continuous coordinates: width is `x2 - x1`. All three functions work on the CPU and on
CUDA, in float16, bfloat16, float32 and float64 (half types are computed in float32), and under autograd. Under
autocast they compute in float32.
"""

import torch

from detectory.ops._arguments import check_same, check_tensor
from detectory.ops._library import ops


def pairwise_iou(boxes1: torch.Tensor, boxes2: torch.Tensor) -> torch.Tensor:
    """Intersection over union of all pairs.

    Args:
        boxes1: (N, 4) floating.
        boxes2: (M, 4), same dtype and device.

    Returns:
        (N, M) of the boxes' dtype, in [0, 1]. Boxes without overlap, of non-positive width or height, or with a NaN
        coordinate give 0.

    Raises:
        TypeError: an argument is not a floating tensor, or the dtypes differ.
        ValueError: a shape is not (N, 4), or the devices differ.
    """
    _check_boxes("pairwise_iou", boxes1, boxes2)
    return ops.pairwise_iou(boxes1, boxes2)


def pairwise_ioa(boxes1: torch.Tensor, boxes2: torch.Tensor) -> torch.Tensor:
    """Intersection over the area of the second box, for all pairs.

    Args:
        boxes1: (N, 4) floating.
        boxes2: (M, 4), same dtype and device; its areas are the denominators.

    Returns:
        (N, M) of the boxes' dtype, in [0, 1]; 0 under the conditions of `pairwise_iou`.

    Raises:
        TypeError: an argument is not a floating tensor, or the dtypes differ.
        ValueError: a shape is not (N, 4), or the devices differ.
    """
    _check_boxes("pairwise_ioa", boxes1, boxes2)
    return ops.pairwise_ioa(boxes1, boxes2)


def pairwise_giou(boxes1: torch.Tensor, boxes2: torch.Tensor) -> torch.Tensor:
    """Generalised IoU of all pairs: IoU minus the share of the enclosing box that neither box covers.

    Args:
        boxes1: (N, 4) floating.
        boxes2: (M, 4), same dtype and device.

    Returns:
        (N, M) of the boxes' dtype, in (-1, 1]. A pair whose enclosing box has no area, or with a NaN coordinate,
        gives 0.

    Raises:
        TypeError: an argument is not a floating tensor, or the dtypes differ.
        ValueError: a shape is not (N, 4), or the devices differ.

    Source: Rezatofighi et al., "Generalized Intersection over Union", CVPR 2019, algorithm 1.
    """
    _check_boxes("pairwise_giou", boxes1, boxes2)
    return ops.pairwise_giou(boxes1, boxes2)


def _check_boxes(function: str, boxes1: torch.Tensor, boxes2: torch.Tensor) -> None:
    check_tensor(function, "boxes1", boxes1, "(N, 4)")
    check_tensor(function, "boxes2", boxes2, "(M, 4)")
    check_same(function, "boxes1", boxes1, "boxes2", boxes2)


def _fake(boxes1: torch.Tensor, boxes2: torch.Tensor) -> torch.Tensor:
    return boxes1.new_empty(boxes1.shape[0], boxes2.shape[0])


for _name in ("pairwise_iou", "pairwise_ioa", "pairwise_giou"):
    torch.library.register_fake(f"detectory::{_name}", _fake)
    for _device in ("cpu", "cuda"):
        torch.library.register_autocast(f"detectory::{_name}", _device, torch.float32)
