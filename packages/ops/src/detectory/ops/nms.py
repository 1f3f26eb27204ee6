"""Greedy non-maximum suppression (NMS) of axis-aligned boxes, without and with classes."""

import torch

from detectory.ops._checks.arguments import check_same_device, check_tensor
from detectory.ops._library import ops


def nms(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """Return the boxes that remain after greedy non-maximum suppression, sorted by score.

    Args:
        boxes: (N, 4) floating, `(x1, y1, x2, y2)`. Boxes with a NaN coordinate do not overlap others and are kept.
        scores: (N,) floating. NaN is the highest score, as in `torch.sort`.
        iou_threshold: In [0, 1]; a box is removed if its IoU with a kept box exceeds the threshold.

    Returns:
        (K,) int64 indices of the kept boxes, by descending score; ties keep the input order. IoU is computed in
        float32, or in float64 for float64 boxes.

    Raises:
        TypeError: If `boxes` or `scores` is not a floating tensor.
        ValueError: If shapes or devices do not match, or the threshold is outside [0, 1].

    Source: Felzenszwalb et al., "Object Detection with Discriminatively Trained Part-Based Models", PAMI 2010,
    section 5.2.
    """
    check_suppression("nms", boxes, scores, None, iou_threshold, columns=4)
    return ops.nms(boxes.detach(), scores.detach(), iou_threshold)


def batched_nms(boxes: torch.Tensor, scores: torch.Tensor, idxs: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """Apply `nms` within each class, for all classes in one call.

    Boxes are not offset by class, so that large coordinates do not lose precision.

    Args:
        boxes: (N, 4) floating, `(x1, y1, x2, y2)`.
        scores: (N,) floating.
        idxs: (N,) integer; classes; boxes only suppress each other if their classes are equal. Any values are valid.
        iou_threshold: In [0, 1].

    Returns:
        (K,) int64 indices of the kept boxes of all classes, by descending score; ties keep the input order.

    Raises:
        TypeError: If `boxes` or `scores` is not a floating tensor, or `idxs` not an integer tensor.
        ValueError: If shapes or devices do not match, or the threshold is outside [0, 1].
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
    """Check the arguments of all NMS functions; `columns` is 4 for axis-aligned boxes, 5 for rotated boxes."""
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
