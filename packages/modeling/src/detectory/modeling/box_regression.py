"""Box regression: encoding of boxes as deltas, decoding, and the regression losses."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from detectory.core.suggestions import nearest
from detectory.modeling.layers import ciou_loss, diou_loss, giou_loss, smooth_l1_loss
from detectory.structures import Boxes, RotatedBoxes

#: Default limit of `dw` and `dh`: a decoded box is at most 1000 / 16 = 62.5 times as wide or high as its source box.
SCALE_CLAMP = math.log(1000.0 / 16)


def _centers_and_sizes(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the centers and sizes, both `(…, 2)`, of boxes `(…, 4)`."""
    sizes = boxes[..., 2:] - boxes[..., :2]
    return boxes[..., :2] + 0.5 * sizes, sizes


class Box2BoxTransform:
    """The box parametrization of R-CNN: `dx, dy` relative to the box size, `dw, dh` on a log scale.

    Args:
        weights: Factors of `(dx, dy, dw, dh)`, usually the inverse standard deviations of the regression targets.
        scale_clamp: Maximum of the predicted `dw` and `dh`, so that their exponential cannot overflow.

    Source: Girshick et al., "Rich Feature Hierarchies", 2014, appendix C.
    """

    def __init__(self, weights: Sequence[float], scale_clamp: float = SCALE_CLAMP) -> None:
        self.weights = tuple(weights)
        self.scale_clamp = scale_clamp

    def get_deltas(self, src_boxes: Tensor, target_boxes: Tensor) -> Tensor:
        """Return the deltas that transform `src_boxes` into `target_boxes`.

        Args:
            src_boxes: `(N, 4)` boxes, for example proposals or anchors.
            target_boxes: `(N, 4)` boxes, for example ground truth.

        Returns:
            `(N, 4)` deltas: `apply_deltas(get_deltas(src_boxes, target_boxes), src_boxes)` equals `target_boxes` unless
            clamped.

        Raises:
            ValueError: If a source box has no positive width and height. Not checked while compiling.
        """
        centers, sizes = _centers_and_sizes(src_boxes)
        target_centers, target_sizes = _centers_and_sizes(target_boxes)
        if not torch.compiler.is_compiling() and not bool((sizes > 0).all()):
            raise ValueError("Box2BoxTransform.get_deltas: src_boxes must have positive width and height")
        weights = src_boxes.new_tensor(self.weights)
        shifts = (target_centers - centers) / sizes
        return torch.cat((shifts, torch.log(target_sizes / sizes)), dim=-1) * weights

    def apply_deltas(self, deltas: Tensor, boxes: Tensor) -> Tensor:
        """Apply `k` deltas, for example one per class, to each box.

        Args:
            deltas: `(N, k * 4)`. Converted to float32, as half precision cannot represent pixel coordinates above 2048.
            boxes: `(N, 4)`.

        Returns:
            `(N, k * 4)` float32 boxes.
        """
        return decode_boxes(deltas, boxes, list(self.weights), self.scale_clamp)


def decode_boxes(deltas: Tensor, boxes: Tensor, weights: list[float], scale_clamp: float) -> Tensor:
    """Return the result of `Box2BoxTransform.apply_deltas`; a free function, for TorchScript."""
    shape = deltas.shape
    factors = torch.tensor(weights, dtype=torch.float32, device=deltas.device)
    deltas = deltas.float().reshape(shape[0], shape[1] // 4, 4) / factors  # (N, k, 4)
    centers, sizes = _centers_and_sizes(boxes.to(deltas.dtype).unsqueeze(1))  # both (N, 1, 2)
    centers = deltas[..., :2] * sizes + centers
    half_sizes = 0.5 * torch.exp(deltas[..., 2:].clamp(max=scale_clamp)) * sizes
    return torch.cat((centers - half_sizes, centers + half_sizes), dim=-1).reshape(shape)


class Box2BoxTransformRotated:
    """The box parametrization of R-CNN, extended by an angle delta in radians. The angles of boxes are in degrees.

    Args:
        weights: Factors of `(dx, dy, dw, dh, da)`.
        scale_clamp: Maximum of the predicted `dw` and `dh`.

    Source: Ma et al., "Arbitrary-Oriented Scene Text Detection via Rotation Proposals", 2018, section III-B.
    """

    def __init__(self, weights: Sequence[float], scale_clamp: float = SCALE_CLAMP) -> None:
        self.weights = tuple(weights)
        self.scale_clamp = scale_clamp

    def get_deltas(self, src_boxes: Tensor, target_boxes: Tensor) -> Tensor:
        """Return the deltas that transform `src_boxes` into `target_boxes`.

        Args:
            src_boxes: `(N, 5)` boxes `(cx, cy, width, height, angle)`.
            target_boxes: `(N, 5)` boxes.

        Returns:
            `(N, 5)` deltas; before weighting, the angle delta is in [-π, π).

        Raises:
            ValueError: If a source box has no positive width and height. Not checked while compiling.
        """
        sizes = src_boxes[..., 2:4]
        if not torch.compiler.is_compiling() and not bool((sizes > 0).all()):
            raise ValueError("Box2BoxTransformRotated.get_deltas: src_boxes must have positive width and height")
        shifts = (target_boxes[..., :2] - src_boxes[..., :2]) / sizes
        scales = torch.log(target_boxes[..., 2:4] / sizes)
        rotation = _wrap_degrees(target_boxes[..., 4:] - src_boxes[..., 4:]) * math.pi / 180
        return torch.cat((shifts, scales, rotation), dim=-1) * src_boxes.new_tensor(self.weights)

    def apply_deltas(self, deltas: Tensor, boxes: Tensor) -> Tensor:
        """Apply `k` deltas, for example one per class, to each box.

        Args:
            deltas: `(N, k * 5)`.
            boxes: `(N, 5)`.

        Returns:
            `(N, k * 5)` boxes with angles in [-180, 180) degrees.
        """
        shape = deltas.shape
        deltas = deltas.reshape(shape[0], shape[1] // 5, 5) / deltas.new_tensor(self.weights)
        boxes = boxes.to(deltas.dtype).unsqueeze(1)  # (N, 1, 5)
        centers = deltas[..., :2] * boxes[..., 2:4] + boxes[..., :2]
        sizes = torch.exp(deltas[..., 2:4].clamp(max=self.scale_clamp)) * boxes[..., 2:4]
        angles = _wrap_degrees(deltas[..., 4:] * 180 / math.pi + boxes[..., 4:])
        return torch.cat((centers, sizes, angles), dim=-1).reshape(shape)


def _wrap_degrees(angles: Tensor) -> Tensor:
    """Map angles to the equivalent ones in [-180, 180)."""
    return (angles + 180.0) % 360.0 - 180.0


class Box2BoxTransformLinear:
    """The box parametrization of FCOS: distances from the box center to the four sides of the target.

    Args:
        normalize_by_size: Whether to divide the distances by the size of the source box, which is the stride of its
            level.
        clamp: Whether negative distances count as 0.

    Source: Tian et al., "FCOS", 2019, equation 1.
    """

    def __init__(self, normalize_by_size: bool = True, clamp: bool = True) -> None:
        self.normalize_by_size = normalize_by_size
        self.clamp = clamp

    def get_deltas(self, src_boxes: Tensor, target_boxes: Tensor) -> Tensor:
        """Return the distances from the centers of `src_boxes` to the sides of `target_boxes`.

        Args:
            src_boxes: `(…, 4)` boxes.
            target_boxes: `(…, 4)` boxes.

        Returns:
            `(…, 4)` distances to the left, top, right and bottom. Negative if the center is outside the target.
        """
        centers, sizes = _centers_and_sizes(src_boxes)
        deltas = torch.cat((centers - target_boxes[..., :2], target_boxes[..., 2:] - centers), dim=-1)
        return deltas / torch.cat((sizes, sizes), dim=-1) if self.normalize_by_size else deltas

    def apply_deltas(self, deltas: Tensor, boxes: Tensor) -> Tensor:
        """Return the boxes with the given distances from the centers of `boxes` to their sides.

        Args:
            deltas: `(N, 4)` distances. With `clamp`, negative distances count as 0, so that `x1 <= x2` and `y1 <= y2`.
            boxes: `(N, 4)`.

        Returns:
            `(N, 4)` float32 boxes.
        """
        deltas = deltas.float().clamp(min=0) if self.clamp else deltas.float()
        centers, sizes = _centers_and_sizes(boxes.to(deltas.dtype))
        if self.normalize_by_size:
            deltas = deltas * torch.cat((sizes, sizes), dim=-1)
        return torch.cat((centers - deltas[..., :2], centers + deltas[..., 2:]), dim=-1)


BOX_LOSSES = {"giou": giou_loss, "diou": diou_loss, "ciou": ciou_loss}


def dense_box_regression_loss(
    anchors: Sequence[Boxes | RotatedBoxes] | Sequence[Tensor],
    box2box_transform: Box2BoxTransform | Box2BoxTransformRotated | Box2BoxTransformLinear,
    pred_anchor_deltas: Sequence[Tensor],
    gt_boxes: Sequence[Tensor],
    fg_mask: Tensor,
    box_reg_loss_type: str = "smooth_l1",
    smooth_l1_beta: float = 0.0,
) -> Tensor:
    """Return the regression loss of a dense head, summed over the foreground anchors.

    Args:
        anchors: The anchors of each level, `R` in total; boxes of `D` coordinates.
        box2box_transform: Parametrization of the deltas.
        pred_anchor_deltas: Predicted deltas of each level, `(B, H * W * A, D)`.
        gt_boxes: The matched ground-truth boxes of each image, `(R, D)`.
        fg_mask: `(B, R)` bool, True for foreground anchors.
        box_reg_loss_type: `"smooth_l1"` compares deltas; `"giou"`, `"diou"` and `"ciou"` compare decoded boxes.
        smooth_l1_beta: Threshold between the quadratic and the linear part of smooth L1; 0 is plain L1.

    Returns:
        A scalar.

    Raises:
        ValueError: If `box_reg_loss_type` is unknown.
    """
    all_anchors = torch.cat([level if isinstance(level, Tensor) else level.tensor for level in anchors])  # (R, D)
    # Gather the foreground rows first: decoding and losses of the other anchors, most of them, would be wasted.
    image, anchor = fg_mask.nonzero(as_tuple=True)
    deltas = torch.cat(list(pred_anchor_deltas), dim=1)[image, anchor]
    targets = torch.stack(list(gt_boxes))[image, anchor]
    boxes = all_anchors[anchor]
    return box_regression_loss(boxes, box2box_transform, deltas, targets, box_reg_loss_type, smooth_l1_beta)


def box_regression_loss(
    boxes: Tensor,
    box2box_transform: Box2BoxTransform | Box2BoxTransformRotated | Box2BoxTransformLinear,
    deltas: Tensor,
    targets: Tensor,
    box_reg_loss_type: str,
    smooth_l1_beta: float,
) -> Tensor:
    """Return the regression loss of paired boxes and deltas, summed over the boxes.

    Args:
        boxes: `(N, D)` source boxes.
        box2box_transform: Parametrization of the deltas.
        deltas: `(N, D)` predicted deltas relative to `boxes`.
        targets: `(N, D)` target boxes.
        box_reg_loss_type: See `dense_box_regression_loss`.
        smooth_l1_beta: See `dense_box_regression_loss`.

    Returns:
        A scalar.
    """
    if check_box_reg_loss_type(box_reg_loss_type) == "smooth_l1":
        return smooth_l1_loss(deltas, box2box_transform.get_deltas(boxes, targets), smooth_l1_beta, "sum")
    return BOX_LOSSES[box_reg_loss_type](box2box_transform.apply_deltas(deltas, boxes), targets, reduction="sum")


def check_box_reg_loss_type(name: str) -> str:
    """Return `name` if it is the name of a box regression loss.

    Raises:
        ValueError: If it is not.
    """
    known = ("smooth_l1", *BOX_LOSSES)
    if name not in known:
        raise ValueError(f"unknown box_reg_loss_type {name!r}; {nearest(name, known)}")
    return name
