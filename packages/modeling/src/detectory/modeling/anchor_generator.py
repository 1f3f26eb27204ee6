"""Anchors: the boxes that a dense head starts from."""

from __future__ import annotations

import math
from abc import ABCMeta, abstractmethod
from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor, nn

from detectory.structures import Boxes, RotatedBoxes


def _per_level(values: Sequence, levels: int, name: str) -> list:
    """Return one list of numbers a level; a single one, nested or not, serves all levels."""
    nested = [list(row) for row in values] if values and isinstance(values[0], Sequence) else [list(values)]
    if name != "angles" and not all(row and min(row) > 0 for row in nested):
        raise ValueError(f"anchor generator: {name} must be lists of positive numbers, got {values}")
    if len(nested) == 1:
        nested = nested * levels
    if len(nested) != levels:
        raise ValueError(
            f"anchor generator: {name} must have one list or one for each of {levels} strides, got {nested}"
        )
    return nested


class _GridAnchors(nn.Module, metaclass=ABCMeta):
    """Anchors of one cell, repeated over every cell of every level."""

    box_dim: int

    def __init__(self, cells: list[Tensor], strides: Sequence[int], offset: float) -> None:
        super().__init__()
        if not 0.0 <= offset < 1.0:
            raise ValueError(f"{type(self).__name__}: offset must be in [0, 1), got {offset}")
        self.strides = list(strides)
        self.offset = offset
        self.num_features = len(self.strides)
        for i, cell in enumerate(cells):
            # Made from arguments, hence no part of a checkpoint.
            self.register_buffer(f"_cell_anchors_{i}", cell, persistent=False)

    @property
    def cell_anchors(self) -> list[Tensor]:
        """Anchors around the origin, one tensor `(A, box_dim)` a level."""
        return [getattr(self, f"_cell_anchors_{i}") for i in range(self.num_features)]

    @property
    def num_anchors(self) -> list[int]:
        """Anchors of one cell, for every level."""
        return [len(cell) for cell in self.cell_anchors]

    @property
    def num_cell_anchors(self) -> list[int]:
        """Older name of `num_anchors`."""
        return self.num_anchors

    def _grids(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Place the cell's anchors on every cell: row by row, all anchors of a cell together."""
        if len(features) != self.num_features:
            raise ValueError(f"{type(self).__name__}: got {len(features)} feature maps for {self.num_features} strides")
        grids = []
        for feature, stride, cell in zip(features, self.strides, self.cell_anchors, strict=True):
            height, width = feature.shape[-2:]
            y = (torch.arange(height, dtype=cell.dtype, device=feature.device) + self.offset) * stride
            x = (torch.arange(width, dtype=cell.dtype, device=feature.device) + self.offset) * stride
            y, x = torch.meshgrid(y, x, indexing="ij")  # (H, W)
            grids.append(self._place(torch.stack((x, y), dim=-1).reshape(-1, 1, 2), cell.to(feature.device)))
        return grids

    @abstractmethod
    def _place(self, centers: Tensor, cell: Tensor) -> Tensor:
        """Return the anchors `(H * W * A, box_dim)` of a cell's anchors around `centers` `(H * W, 1, 2)`."""


class DefaultAnchorGenerator(_GridAnchors):
    """Anchors of every size and aspect ratio around every cell.

    Args:
        sizes: Square roots of areas in pixels; one list for all levels, or one for each.
        aspect_ratios: Heights divided by widths; likewise.
        strides: Stride of every level in pixels.
        offset: Where in its cell the first anchor is centred, in cells: 0 is the corner, 0.5 the middle.

    Source: Ren et al., "Faster R-CNN", 2015, section 3.1.1.
    """

    box_dim = 4

    def __init__(
        self,
        *,
        sizes: Sequence[Sequence[float]] | Sequence[float],
        aspect_ratios: Sequence[Sequence[float]] | Sequence[float],
        strides: Sequence[int],
        offset: float = 0.5,
    ) -> None:
        sizes = _per_level(sizes, len(strides), "sizes")
        ratios = _per_level(aspect_ratios, len(strides), "aspect_ratios")
        cells = [self.generate_cell_anchors(s, r) for s, r in zip(sizes, ratios, strict=True)]
        super().__init__(cells, strides, offset)

    @staticmethod
    def generate_cell_anchors(
        sizes: Sequence[float] = (32, 64, 128, 256, 512), aspect_ratios: Sequence[float] = (0.5, 1, 2)
    ) -> Tensor:
        """Return the anchors `(A, 4)` around the origin, all ratios of the first size first.

        An anchor of size `s` and ratio `r` has area `s**2` and height `r` times its width.
        """
        rows = []
        for size, ratio in product(sizes, aspect_ratios):
            width = math.sqrt(size**2 / ratio)
            height = ratio * width
            rows.append([-width / 2, -height / 2, width / 2, height / 2])
        return torch.tensor(rows)

    def forward(self, features: Sequence[Tensor]) -> list[Boxes]:
        """Return the anchors of every level.

        Args:
            features: One map `(B, C, H, W)` a level; only its size counts.

        Returns:
            One `Boxes` of `H * W * A` anchors a level, the same for every image.
        """
        return [Boxes(grid) for grid in self._grids(features)]

    def _place(self, centers: Tensor, cell: Tensor) -> Tensor:
        return (torch.cat((centers, centers), dim=-1) + cell).reshape(-1, 4)


class RotatedAnchorGenerator(_GridAnchors):
    """Anchors of every size, aspect ratio and angle around every cell.

    Args:
        sizes: Square roots of areas in pixels; one list for all levels, or one for each.
        aspect_ratios: Heights divided by widths; likewise.
        strides: Stride of every level in pixels.
        angles: Degrees, counter-clockwise; likewise.
        offset: Where in its cell the first anchor is centred, in cells.

    Source: Ma et al., "Arbitrary-Oriented Scene Text Detection via Rotation Proposals", 2018.
    """

    box_dim = 5

    def __init__(
        self,
        *,
        sizes: Sequence[Sequence[float]] | Sequence[float],
        aspect_ratios: Sequence[Sequence[float]] | Sequence[float],
        strides: Sequence[int],
        angles: Sequence[Sequence[float]] | Sequence[float],
        offset: float = 0.5,
    ) -> None:
        sizes = _per_level(sizes, len(strides), "sizes")
        ratios = _per_level(aspect_ratios, len(strides), "aspect_ratios")
        angles = _per_level(angles, len(strides), "angles")
        cells = [self.generate_cell_anchors(s, r, a) for s, r, a in zip(sizes, ratios, angles, strict=True)]
        super().__init__(cells, strides, offset)

    @staticmethod
    def generate_cell_anchors(
        sizes: Sequence[float] = (32, 64, 128, 256, 512),
        aspect_ratios: Sequence[float] = (0.5, 1, 2),
        angles: Sequence[float] = (-90, -60, -30, 0, 30, 60, 90),
    ) -> Tensor:
        """Return the anchors `(A, 5)` around the origin: size by size, ratio by ratio, angle by angle."""
        rows = []
        for size, ratio, angle in product(sizes, aspect_ratios, angles):
            width = math.sqrt(size**2 / ratio)
            rows.append([0.0, 0.0, width, ratio * width, float(angle)])
        return torch.tensor(rows)

    def forward(self, features: Sequence[Tensor]) -> list[RotatedBoxes]:
        """Return one `RotatedBoxes` of `H * W * A` anchors a level for maps `(B, C, H, W)`."""
        return [RotatedBoxes(grid) for grid in self._grids(features)]

    def _place(self, centers: Tensor, cell: Tensor) -> Tensor:
        moved = centers + cell[:, :2]  # (HW, A, 2)
        return torch.cat((moved, cell[:, 2:].expand(len(moved), -1, -1)), dim=-1).reshape(-1, 5)
