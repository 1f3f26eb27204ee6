"""Greedy non-maximum suppression of upright boxes, over one class or many."""

import torch

from detectory.ops._arguments import check_same_device, check_tensor
from detectory.ops._library import ops


def nms(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """Keep boxes, best score first, that do not overlap a kept one.

    Args:
        boxes: (N, 4) floating, `(x1, y1, x2, y2)`. A box with a NaN coordinate overlaps nothing and is kept.
        scores: (N,) floating. NaN counts as the highest score, as in `torch.sort`.
        iou_threshold: In [0, 1]; a box is dropped when its IoU with a kept box exceeds this.

    Returns:
        (K,) int64 indices of the kept boxes, by descending score; ties keep the order of the input. IoU is computed in
        float32, in float64 for float64 boxes.

    Raises:
        TypeError: boxes or scores are no floating tensors.
        ValueError: shapes or devices do not fit, or the threshold is outside [0, 1].

    Source: Felzenszwalb et al., "Object Detection with Discriminatively Trained Part-Based Models", PAMI 2010,
    section 5.2.
    """
    check_suppression("nms", boxes, scores, None, iou_threshold, columns=4)
    return ops.nms(boxes.detach(), scores.detach(), iou_threshold)


def batched_nms(boxes: torch.Tensor, scores: torch.Tensor, idxs: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """`nms` inside each class, all classes in one call.

    Classes are compared as they are: boxes are not shifted apart, so far-off or huge coordinates lose no precision.

    Args:
        boxes: (N, 4) floating, `(x1, y1, x2, y2)`.
        scores: (N,) floating.
        idxs: (N,) integer; boxes suppress each other only where their values are equal. Any values, any number of them.
        iou_threshold: In [0, 1].

    Returns:
        (K,) int64 indices of the kept boxes of all classes, by descending score; ties keep the order of the input.

    Raises:
        TypeError: boxes or scores are no floating tensors, or idxs no integer tensor.
        ValueError: shapes or devices do not fit, or the threshold is outside [0, 1].
    """
    check_suppression("batched_nms", boxes, scores, idxs, iou_threshold, columns=4)
    return ops.batched_nms(boxes.detach(), scores.detach(), idxs, iou_threshold)


def check_suppression(
    function: str,
    boxes: torch.Tensor,
    scores: torch.Tensor,
    idxs: torch.Tensor | None,
    iou_threshold: float,
    columns: int,
) -> None:
    """Check what all suppressing operators take; `columns` is 4 for upright boxes, 5 for rotated ones."""
    check_tensor(function, "boxes", boxes, f"(N, {columns})")
    check_tensor(function, "scores", scores, "(N,)")
    check_same_device(function, "boxes", boxes, "scores", scores)
    if boxes.shape[0] != scores.shape[0]:
        raise ValueError(f"{function}: scores must have one entry per box, got {len(scores)} for {len(boxes)} boxes")
    if idxs is not None:
        check_tensor(function, "idxs", idxs, "(N,)", "integer")
        check_same_device(function, "boxes", boxes, "idxs", idxs)
        if boxes.shape[0] != idxs.shape[0]:
            raise ValueError(f"{function}: idxs must have one entry per box, got {len(idxs)} for {len(boxes)} boxes")
    if not 0 <= iou_threshold <= 1:
        raise ValueError(f"{function}: iou_threshold must be in [0, 1], got {iou_threshold}")


def _fake(boxes: torch.Tensor, *_: object) -> torch.Tensor:
    kept = torch.library.get_ctx().new_dynamic_size()
    return boxes.new_empty(kept, dtype=torch.int64)


for _name in ("nms", "batched_nms"):
    torch.library.register_fake(f"detectory::{_name}", _fake)
    for _device in ("cpu", "cuda"):
        torch.library.register_autocast(f"detectory::{_name}", _device, torch.float32)
