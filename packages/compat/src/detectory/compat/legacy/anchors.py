"""Anchors in whole pixels of Detectron and MMDetection 1.x."""

from collections.abc import Sequence

import torch
from torch import Tensor

from detectory.modeling.anchor_generator import DefaultAnchorGenerator


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
            cell.copy_(legacy_cell(cell, stride, round_sides))


def legacy_cell(cell: Tensor, stride: int, round_sides: bool) -> Tensor:
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
