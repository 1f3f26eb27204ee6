"""Pairwise overlap of two sets of boxes: IoU, IoA and GIoU.

Boxes are `(x1, y1, x2, y2)` in continuous coordinates: width is `x2 - x1`. All functions support the CPU and
CUDA, autograd, and float16, bfloat16, float32 and float64 (half precision is computed in float32). Under autocast they
compute in float32.
"""

from collections.abc import Callable
from typing import Any

import torch

from detectory.ops._checks.arguments import check_same, check_tensor
from detectory.ops._library import ops


def pairwise_iou(boxes1: torch.Tensor, boxes2: torch.Tensor) -> torch.Tensor:
    """Return the intersection over union of all pairs.

    Args:
        boxes1: (N, 4) floating.
        boxes2: (M, 4), same dtype and device.

    Returns:
        (N, M) of the boxes' dtype, in [0, 1]. 0 for boxes that do not overlap, have a
        non-positive width or height, or a NaN coordinate.

    Raises:
        TypeError: If an argument is not a floating tensor, or the dtypes differ.
        ValueError: If a shape is not (N, 4), or the devices differ.
    """
    _check_boxes("pairwise_iou", boxes1, boxes2)
    return ops.pairwise_iou(boxes1, boxes2)


def pairwise_ioa(boxes1: torch.Tensor, boxes2: torch.Tensor) -> torch.Tensor:
    """Return the intersection over the area of the second box, for all pairs.

    Args:
        boxes1: (N, 4) floating.
        boxes2: (M, 4), same dtype and device; its areas are the denominators.

    Returns:
        (N, M) of the boxes' dtype, in [0, 1]; 0 under the conditions of `pairwise_iou`.

    Raises:
        TypeError: If an argument is not a floating tensor, or the dtypes differ.
        ValueError: If a shape is not (N, 4), or the devices differ.
    """
    _check_boxes("pairwise_ioa", boxes1, boxes2)
    return ops.pairwise_ioa(boxes1, boxes2)


def pairwise_giou(boxes1: torch.Tensor, boxes2: torch.Tensor) -> torch.Tensor:
    """Return the generalised IoU of all pairs: IoU minus the fraction of the enclosing box covered by neither box.

    Args:
        boxes1: (N, 4) floating.
        boxes2: (M, 4), same dtype and device.

    Returns:
        (N, M) of the boxes' dtype, in (-1, 1] for boxes with non-negative sides. 0 if the enclosing box has zero
        area, or a coordinate is NaN.

    Raises:
        TypeError: If an argument is not a floating tensor, or the dtypes differ.
        ValueError: If a shape is not (N, 4), or the devices differ.

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


def _setup_context(ctx: Any, inputs: tuple, output: torch.Tensor) -> None:  # noqa: ARG001
    ctx.save_for_backward(*inputs)


def _sides(first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the signed width and height of the overlap and of the enclosing box, for all pairs: two (N, M, 2)."""
    overlap = torch.minimum(first[:, None, 2:], second[:, 2:]) - torch.maximum(first[:, None, :2], second[:, :2])
    hull = torch.maximum(first[:, None, 2:], second[:, 2:]) - torch.minimum(first[:, None, :2], second[:, :2])
    return overlap, hull


def _area_grad(boxes: torch.Tensor, grad: torch.Tensor) -> torch.Tensor:
    """Return the gradient of the coordinates (N, 4), given the gradient of the areas (N,)."""
    swapped = (boxes[:, 2:] - boxes[:, :2]).flip(1) * grad[:, None]
    return torch.cat([-swapped, swapped], 1)


def _corner_grads(
    first: torch.Tensor, second: torch.Tensor, sides: torch.Tensor, outer: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the gradients of the coordinates of both sets, given the gradients of the sides (N, M, 2).

    The sides are those of the overlap, or of the enclosing box if `outer`. The coordinate that bounds a side receives
    its gradient; equal coordinates receive half each.
    """
    grads = []
    for corner, sign in ((slice(0, 2), -1), (slice(2, 4), 1)):
        a, b = first[:, None, corner], second[None, :, corner]
        larger_bounds = outer == (sign > 0)
        own = (a > b if larger_bounds else a < b).to(sides.dtype) + 0.5 * (a == b)
        grads.append((sign * (sides * own).sum(1), sign * (sides * (1 - own)).sum(0)))
    return torch.cat([grads[0][0], grads[1][0]], 1), torch.cat([grads[0][1], grads[1][1]], 1)


def _make_backward(measure: str) -> Callable[[Any, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        first, second = ctx.saved_tensors
        overlap, hull = _sides(first, second)
        areas = [(boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (first, second)]
        overlaps = (overlap > 0).all(2)
        overlap = overlap * overlaps[..., None]
        inter = overlap.prod(2)  # (N, M)
        union = areas[1].expand_as(inter) if measure == "ioa" else areas[0][:, None] + areas[1] - inter
        safe = torch.where(union > 0, union, 1)
        valid = (union > 0) & overlaps
        inter_grad, union_grad = grad * valid / safe, -grad * valid * inter / safe**2
        hull_grad = torch.zeros_like(union_grad)
        if measure == "giou":
            hull_area = hull.prod(2)
            safe_hull = torch.where(hull_area > 0, hull_area, 1)
            hull_area_grad = grad * (hull_area > 0)
            union_grad = union_grad + hull_area_grad / safe_hull
            hull_grad = -hull_area_grad * union / safe_hull**2
        if measure != "ioa":
            inter_grad = inter_grad - union_grad
        from_overlap = _corner_grads(first, second, inter_grad[..., None] * overlap.flip(2), outer=False)
        from_hull = _corner_grads(first, second, hull_grad[..., None] * hull.flip(2), outer=True)
        of_first = 0 if measure == "ioa" else _area_grad(first, union_grad.sum(1))
        of_second = _area_grad(second, union_grad.sum(0))
        return from_overlap[0] + from_hull[0] + of_first, from_overlap[1] + from_hull[1] + of_second

    return backward


for _measure in ("iou", "ioa", "giou"):
    _name = f"detectory::pairwise_{_measure}"
    torch.library.register_fake(_name, _fake)
    torch.library.register_autograd(_name, _make_backward(_measure), setup_context=_setup_context)
    for _device in ("cpu", "cuda"):
        torch.library.register_autocast(_name, _device, torch.float32)
