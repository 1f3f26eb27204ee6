"""Detectron 1's boxes, which include the last pixel: a box from pixel 3 to pixel 5 is three pixels wide."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from detectory.modeling.anchor_generator import DefaultAnchorGenerator
from detectory.modeling.box_regression import Box2BoxTransform
from detectory.modeling.layers import ROIAlign


class LegacyBox2BoxTransform(Box2BoxTransform):
    """R-CNN's box transform for corners that are pixels inside the box, so that a width is `x2 - x1 + 1`.

    Takes the arguments of `Box2BoxTransform`.
    """

    def get_deltas(self, src_boxes: Tensor, target_boxes: Tensor) -> Tensor:
        """See `Box2BoxTransform.get_deltas`."""
        return super().get_deltas(_with_last_pixel(src_boxes, 1), _with_last_pixel(target_boxes, 1))

    def apply_deltas(self, deltas: Tensor, boxes: Tensor) -> Tensor:
        """See `Box2BoxTransform.apply_deltas`."""
        return _with_last_pixel(super().apply_deltas(deltas, _with_last_pixel(boxes, 1)), -1)


def _with_last_pixel(boxes: Tensor, pixels: int) -> Tensor:
    """Move the lower right corners of boxes `(…, k * 4)` by `pixels`."""
    moves = boxes.new_tensor([0, 0, pixels, pixels]).repeat(boxes.shape[-1] // 4)
    return boxes + moves


class LegacyAnchorGenerator(DefaultAnchorGenerator):
    """Anchors derived from a box of one stride, with sides rounded to whole pixels before scaling.

    Anchors are centred on the middle of the first cell, `(stride - 1) / 2`, and their corners are pixel indices.

    Args:
        sizes: As for `DefaultAnchorGenerator`.
        aspect_ratios: As for `DefaultAnchorGenerator`.
        strides: As for `DefaultAnchorGenerator`.
        round_sides: Round widths and heights, as Detectron does; if false, round corners, as MMDetection 1.x does.
    """

    def __init__(
        self,
        *,
        sizes: Sequence[Sequence[float]] | Sequence[float],
        aspect_ratios: Sequence[Sequence[float]] | Sequence[float],
        strides: Sequence[int],
        round_sides: bool = True,
    ) -> None:
        super().__init__(sizes=sizes, aspect_ratios=aspect_ratios, strides=strides, offset=0.0)
        for cell, stride in zip(self.cell_anchors, self.strides, strict=True):
            cell.copy_(_legacy_cell(cell, stride, round_sides))


def _legacy_cell(cell: Tensor, stride: int, round_sides: bool) -> Tensor:
    """Return the legacy equivalents of exact anchors `(A, 4)`."""
    exact = cell.double()
    sides = exact[:, 2:] - exact[:, :2]
    size, ratio = sides.prod(dim=1).sqrt(), sides[:, 1] / sides[:, 0]
    if round_sides:
        # A box with the area of one stride, rounded and then scaled: 23 x 12 pixels instead of the exact 22.6 x 11.3.
        width = (stride / ratio.sqrt()).round()
        height = (width * ratio).round()
        scale = size / stride
        sides = torch.stack((width * scale, height * scale), dim=1)
    center = (stride - 1) / 2
    half = (sides - 1) / 2
    corners = torch.cat((center - half, center + half), dim=1)
    return (corners if round_sides else corners.round()).to(cell.dtype)


def use_legacy_layers(model: Any, round_sides: bool = True) -> Any:
    """Switch a model in place to the box convention of Detectron and MMDetection 1.x.

    Anchors are quantised, box deltas refer to widths that include the last pixel, and regions are pooled without the
    half-pixel shift. NMS and clipping keep the current convention; the difference of one pixel is negligible there.

    Args:
        model: A two-stage detector or a RetinaNet. Its weights are not changed.
        round_sides: As for `LegacyAnchorGenerator`.

    Returns:
        The same model.

    Raises:
        ValueError: If the model has no box deltas, or already uses this convention.
    """
    changed = 0
    for module in model.modules():
        if type(getattr(module, "box2box_transform", None)) is Box2BoxTransform:
            module.box2box_transform = _legacy_transform(module.box2box_transform)
            changed += 1
            generator = getattr(module, "anchor_generator", None)
            if isinstance(generator, DefaultAnchorGenerator):
                for cell, stride in zip(generator.cell_anchors, generator.strides, strict=True):
                    cell.copy_(_legacy_cell(cell, stride, round_sides))
                generator.offset = 0.0
        if isinstance(module, ROIAlign):
            module.aligned = False
    if not changed:
        raise ValueError(f"use_legacy_layers: model must have box deltas, got {type(model).__name__}")
    return model


def _legacy_transform(transform: Box2BoxTransform) -> LegacyBox2BoxTransform:
    return LegacyBox2BoxTransform(transform.weights, transform.scale_clamp)
