"""From a box and a prediction to a better box, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from detectory.core.suggestions import nearest
from detectory.modeling.layers import ciou_loss, diou_loss, giou_loss, smooth_l1_loss
from detectory.structures import Boxes, RotatedBoxes

#: A predicted box is at most 1000 / 16 times as wide or high as the box it starts from.
SCALE_CLAMP = math.log(1000.0 / 16)


def _centers_and_sizes(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Return centres and sizes, both `(…, 2)`, of boxes `(…, 4)`."""
    sizes = boxes[..., 2:] - boxes[..., :2]
    return boxes[..., :2] + 0.5 * sizes, sizes


class Box2BoxTransform:
    """The transform of R-CNN: move the centre by a share of the size, scale the size by an exponential.

    Args:
        weights: Factors of `(dx, dy, dw, dh)`, chosen so that targets have about unit variance.
        scale_clamp: Largest `dw` and `dh` that are applied.

    Source: Girshick et al., "Rich Feature Hierarchies", 2014, appendix C.
    """

    def __init__(self, weights: Sequence[float], scale_clamp: float = SCALE_CLAMP) -> None:
        self.weights = tuple(weights)
        self.scale_clamp = scale_clamp

    def get_deltas(self, src_boxes: Tensor, target_boxes: Tensor) -> Tensor:
        """Return `(N, 4)` deltas that take `src_boxes` to `target_boxes`, both `(N, 4)`.

        Raises:
            ValueError: for a source box without width or height (not looked at while compiling).
        """
        centers, sizes = _centers_and_sizes(src_boxes)
        target_centers, target_sizes = _centers_and_sizes(target_boxes)
        if not torch.compiler.is_compiling() and not bool((sizes > 0).all()):
            raise ValueError("Box2BoxTransform.get_deltas: src_boxes must have positive width and height")
        weights = src_boxes.new_tensor(self.weights)
        moves = (target_centers - centers) / sizes
        return torch.cat((moves, torch.log(target_sizes / sizes)), dim=-1) * weights

    def apply_deltas(self, deltas: Tensor, boxes: Tensor) -> Tensor:
        """Apply `k` class-specific deltas to each box.

        Args:
            deltas: `(N, k * 4)`; taken as float32, half precision cannot hold pixel coordinates.
            boxes: `(N, 4)`.

        Returns:
            `(N, k * 4)`, float32.
        """
        return moved_boxes(deltas, boxes, list(self.weights), self.scale_clamp)


def moved_boxes(deltas: Tensor, boxes: Tensor, weights: list[float], scale_clamp: float) -> Tensor:
    """Do what `Box2BoxTransform.apply_deltas` does, in the words of TorchScript."""
    shape = deltas.shape
    factors = torch.tensor(weights, dtype=torch.float32, device=deltas.device)
    deltas = deltas.float().reshape(shape[0], shape[1] // 4, 4) / factors
    centers, sizes = _centers_and_sizes(boxes.to(deltas.dtype).unsqueeze(1))
    centers = deltas[..., :2] * sizes + centers
    half = 0.5 * torch.exp(deltas[..., 2:].clamp(max=scale_clamp)) * sizes
    return torch.cat((centers - half, centers + half), dim=-1).reshape(shape)


class Box2BoxTransformRotated:
    """`Box2BoxTransform` with a turn: the fifth delta is an angle in radians, boxes keep degrees.

    Args:
        weights: Factors of `(dx, dy, dw, dh, da)`.
        scale_clamp: Largest `dw` and `dh` that are applied.
    """

    def __init__(self, weights: Sequence[float], scale_clamp: float = SCALE_CLAMP) -> None:
        self.weights = tuple(weights)
        self.scale_clamp = scale_clamp

    def get_deltas(self, src_boxes: Tensor, target_boxes: Tensor) -> Tensor:
        """Return `(N, 5)` deltas that take `src_boxes` to `target_boxes`, both `(N, 5)`.

        Raises:
            ValueError: for a source box without width or height (not looked at while compiling).
        """
        sizes = src_boxes[..., 2:4]
        if not torch.compiler.is_compiling() and not bool((sizes > 0).all()):
            raise ValueError("Box2BoxTransformRotated.get_deltas: src_boxes must have positive width and height")
        moves = (target_boxes[..., :2] - src_boxes[..., :2]) / sizes
        scales = torch.log(target_boxes[..., 2:4] / sizes)
        turn = _wrap_degrees(target_boxes[..., 4:] - src_boxes[..., 4:]) * math.pi / 180
        return torch.cat((moves, scales, turn), dim=-1) * src_boxes.new_tensor(self.weights)

    def apply_deltas(self, deltas: Tensor, boxes: Tensor) -> Tensor:
        """Apply `k` class-specific deltas `(N, k * 5)` to boxes `(N, 5)`.

        Returns:
            `(N, k * 5)`, angles in `[-180, 180)` degrees.
        """
        shape = deltas.shape
        deltas = deltas.reshape(shape[0], shape[1] // 5, 5) / deltas.new_tensor(self.weights)
        boxes = boxes.to(deltas.dtype).unsqueeze(1)  # (N, 1, 5)
        centers = deltas[..., :2] * boxes[..., 2:4] + boxes[..., :2]
        sizes = torch.exp(deltas[..., 2:4].clamp(max=self.scale_clamp)) * boxes[..., 2:4]
        angles = _wrap_degrees(deltas[..., 4:] * 180 / math.pi + boxes[..., 4:])
        return torch.cat((centers, sizes, angles), dim=-1).reshape(shape)


def _wrap_degrees(angles: Tensor) -> Tensor:
    """Bring angles into `[-180, 180)`."""
    return (angles + 180.0) % 360.0 - 180.0


class Box2BoxTransformLinear:
    """Distances from a box's centre to the four sides of the target, as FCOS predicts them.

    Args:
        normalize_by_size: Divide the distances by the source box's size, which a level's stride sets.

    Source: Tian et al., "FCOS", 2019, equation 1.
    """

    def __init__(self, normalize_by_size: bool = True) -> None:
        self.normalize_by_size = normalize_by_size

    def get_deltas(self, src_boxes: Tensor, target_boxes: Tensor) -> Tensor:
        """Return distances `(…, 4)` to left, top, right and bottom of `target_boxes` `(…, 4)`.

        They are negative where the source box's centre lies outside the target.
        """
        centers, sizes = _centers_and_sizes(src_boxes)
        deltas = torch.cat((centers - target_boxes[..., :2], target_boxes[..., 2:] - centers), dim=-1)
        return deltas / torch.cat((sizes, sizes), dim=-1) if self.normalize_by_size else deltas

    def apply_deltas(self, deltas: Tensor, boxes: Tensor) -> Tensor:
        """Return the boxes `(N, 4)` whose sides lie `deltas` away from the centres of `boxes`.

        Negative distances count as zero: a box is never inside out.
        """
        deltas = deltas.float().clamp(min=0)
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
    """Sum the regression loss of a dense head over its foreground anchors.

    Args:
        anchors: Boxes of every level, together `R` anchors of `D` numbers.
        box2box_transform: What the head's numbers mean.
        pred_anchor_deltas: `(B, H * W * A, D)` for every level.
        gt_boxes: `(R, D)` matched boxes for every image.
        fg_mask: Bool `(B, R)`, the anchors that count.
        box_reg_loss_type: `"smooth_l1"` compares deltas; `"giou"`, `"diou"` and `"ciou"` compare boxes.
        smooth_l1_beta: Where `"smooth_l1"` turns linear; 0 is plain L1.

    Returns:
        A scalar.

    Raises:
        ValueError: for an unknown loss.
    """
    flat = torch.cat([a if isinstance(a, Tensor) else a.tensor for a in anchors])  # (R, D)
    image, anchor = fg_mask.nonzero(as_tuple=True)
    predicted = torch.cat(list(pred_anchor_deltas), dim=1)[image, anchor]
    wanted = torch.stack(list(gt_boxes))[image, anchor]
    return box_regression_loss(flat[anchor], box2box_transform, predicted, wanted, box_reg_loss_type, smooth_l1_beta)


def box_regression_loss(
    boxes: Tensor,
    box2box_transform: Box2BoxTransform | Box2BoxTransformRotated | Box2BoxTransformLinear,
    deltas: Tensor,
    targets: Tensor,
    box_reg_loss_type: str,
    smooth_l1_beta: float,
) -> Tensor:
    """Sum the regression loss of `deltas` `(N, D)`, that move `boxes`, towards `targets`; types as above."""
    if known_box_loss(box_reg_loss_type) == "smooth_l1":
        return smooth_l1_loss(deltas, box2box_transform.get_deltas(boxes, targets), smooth_l1_beta, "sum")
    return BOX_LOSSES[box_reg_loss_type](box2box_transform.apply_deltas(deltas, boxes), targets, reduction="sum")


def known_box_loss(name: str) -> str:
    """Return the name of a box regression loss.

    Raises:
        ValueError: there is no such loss.
    """
    known = ["smooth_l1", *BOX_LOSSES]
    if name not in known:
        raise ValueError(f"unknown box_reg_loss_type {name!r}; {nearest(name, known)}")
    return name
