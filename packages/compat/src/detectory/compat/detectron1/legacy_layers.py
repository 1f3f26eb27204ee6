"""Boxes as Detectron counted them: a box from pixel 3 to pixel 5 is three pixels wide."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from detectory.modeling.anchor_generator import DefaultAnchorGenerator
from detectory.modeling.box_regression import Box2BoxTransform
from detectory.modeling.layers import ROIAlign


class LegacyBox2BoxTransform(Box2BoxTransform):
    """The transform of R-CNN on boxes whose corners are pixels that belong to them: a width is `x2 - x1 + 1`.

    Args are those of `Box2BoxTransform`.
    """

    def get_deltas(self, src_boxes: Tensor, target_boxes: Tensor) -> Tensor:
        """See `Box2BoxTransform.get_deltas`."""
        return super().get_deltas(_with_last_pixel(src_boxes, 1), _with_last_pixel(target_boxes, 1))

    def apply_deltas(self, deltas: Tensor, boxes: Tensor) -> Tensor:
        """See `Box2BoxTransform.apply_deltas`."""
        return _with_last_pixel(super().apply_deltas(deltas, _with_last_pixel(boxes, 1)), -1)


def _with_last_pixel(boxes: Tensor, pixels: int) -> Tensor:
    """Move the lower right corners of boxes `(…, k * 4)` by some pixels."""
    moves = boxes.new_tensor([0, 0, pixels, pixels]).repeat(boxes.shape[-1] // 4)
    return boxes + moves


class LegacyAnchorGenerator(DefaultAnchorGenerator):
    """Anchors that start from a box of one stride, with sides rounded to whole pixels before they are scaled.

    They are centred on the middle of the first stride's pixels, `(stride - 1) / 2`, and their corners are pixels.

    Args:
        sizes: As for `DefaultAnchorGenerator`.
        aspect_ratios: Likewise.
        strides: Likewise.
        round_sides: Detectron's way, widths and heights are rounded; else MMDetection 1.x's: corners are.
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
    """Return the legacy anchors with the sizes and ratios of exact anchors `(A, 4)`."""
    exact = cell.double()
    sides = exact[:, 2:] - exact[:, :2]
    size, ratio = sides.prod(dim=1).sqrt(), sides[:, 1] / sides[:, 0]
    if round_sides:
        # The sides of a box of one stride's area, then scaled: 23 by 12 pixels where 22.6 by 11.3 would be exact.
        width = (stride / ratio.sqrt()).round()
        height = (width * ratio).round()
        scale = size / stride
        sides = torch.stack((width * scale, height * scale), dim=1)
    center = (stride - 1) / 2
    half = (sides - 1) / 2
    corners = torch.cat((center - half, center + half), dim=1)
    return (corners if round_sides else corners.round()).to(cell.dtype)


def use_legacy_layers(model: Any, round_sides: bool = True) -> Any:
    """Let a model count pixels as Detectron and MMDetection 1.x did, in place.

    Anchors are quantised, box deltas belong to widths with the last pixel, and regions are pooled without the shift by
    half a pixel. Suppression and the limits of boxes keep to the present rule: there one pixel is negligible.

    Args:
        model: A two-stage detector or RetinaNet (a module); weights stay as they are.
        round_sides: As for `LegacyAnchorGenerator`.

    Returns:
        The same model.

    Raises:
        ValueError: the model has no box deltas, or counts that way already.
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
        raise ValueError(f"use_legacy_layers: {type(model).__name__} has no box deltas that the rule could apply to")
    return model


def _legacy_transform(transform: Box2BoxTransform) -> LegacyBox2BoxTransform:
    return LegacyBox2BoxTransform(transform.weights, transform.scale_clamp)
