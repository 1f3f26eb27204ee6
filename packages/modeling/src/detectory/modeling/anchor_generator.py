"""Anchor generators: grids of reference boxes for dense heads."""

import math
from abc import ABCMeta, abstractmethod
from collections.abc import Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from detectory.structures import Boxes, RotatedBoxes


def _per_level(values: Sequence, num_levels: int, name: str) -> list:
    """Return one list of numbers per level; a single list, nested or not, is used for all levels."""
    nested = [list(row) for row in values] if values and isinstance(values[0], Sequence) else [list(values)]
    if name != "angles" and not all(row and min(row) > 0 for row in nested):
        raise ValueError(f"anchor generator: {name} must be lists of positive numbers, got {values}")
    if len(nested) == 1:
        nested = nested * num_levels
    if len(nested) != num_levels:
        raise ValueError(
            f"anchor generator: {name} must be one list, or one list for each of the {num_levels} strides, got {nested}"
        )
    return nested


class _GridAnchors(nn.Module, metaclass=ABCMeta):
    """The anchors of one grid cell, repeated in every cell of every level."""

    box_dim: int

    def __init__(self, cells: list[Tensor], strides: Sequence[int], offset: float) -> None:
        super().__init__()
        if not 0.0 <= offset < 1.0:
            raise ValueError(f"{type(self).__name__}: offset must be in [0, 1), got {offset}")
        self.strides = list(strides)
        self.offset = offset
        self.num_features = len(self.strides)
        for i, cell in enumerate(cells):
            # Not persistent: the anchors follow from the arguments and are not part of Detectron2's checkpoints.
            self.register_buffer(f"_cell_anchors_{i}", cell, persistent=False)

    @property
    def cell_anchors(self) -> list[Tensor]:
        """The anchors of one cell relative to its anchor point, `(A, box_dim)` for each level."""
        return [getattr(self, f"_cell_anchors_{i}") for i in range(self.num_features)]

    @property
    def num_anchors(self) -> list[int]:
        """The number of anchors per cell, for each level."""
        return [len(cell) for cell in self.cell_anchors]

    def _grids(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Repeat the cell anchors over the grids of all levels, row by row; the `A` anchors of a cell are adjacent."""
        if len(features) != self.num_features:
            raise ValueError(
                f"{type(self).__name__}: expected {self.num_features} feature maps, one per stride, got {len(features)}"
            )
        grids = []
        for feature, stride, cell in zip(features, self.strides, self.cell_anchors, strict=True):
            height, width = feature.shape[-2:]
            y = (torch.arange(height, dtype=cell.dtype, device=feature.device) + self.offset) * stride
            x = (torch.arange(width, dtype=cell.dtype, device=feature.device) + self.offset) * stride
            y, x = torch.meshgrid(y, x, indexing="ij")  # (H, W)
            centers = torch.stack((x, y), dim=-1).reshape(-1, 1, 2)  # (H * W, 1, 2)
            grids.append(self._place(centers, cell.to(feature.device)))
        return grids

    @abstractmethod
    def _place(self, centers: Tensor, cell: Tensor) -> Tensor:
        """Shift the anchors `cell` `(A, box_dim)` to all `centers` `(H * W, 1, 2)`; return `(H * W * A, box_dim)`."""


class DefaultAnchorGenerator(_GridAnchors):
    """Axis-aligned anchors of all combinations of size and aspect ratio in every grid cell.

    Args:
        sizes: Anchor sizes in pixels (square roots of the areas): one list per level, or one list for all levels.
        aspect_ratios: Ratios of height to width: one list per level, or one list for all levels.
        strides: Stride of every level in pixels.
        offset: Position of the anchor centers within their cells, in [0, 1): 0 is the top left corner, 0.5 the center.

    Raises:
        ValueError: If an argument is invalid or does not match the number of strides.

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
        super().__init__(self._calculate_anchors(sizes, ratios), strides, offset)

    def _calculate_anchors(self, sizes: Sequence[Any], aspect_ratios: Sequence[Any]) -> list[Tensor]:
        """Return the anchors of one cell for each level; subclasses may replace them."""
        return [self.generate_cell_anchors(s, r) for s, r in zip(sizes, aspect_ratios, strict=True)]

    @staticmethod
    def generate_cell_anchors(
        sizes: Sequence[float] = (32, 64, 128, 256, 512), aspect_ratios: Sequence[float] = (0.5, 1, 2)
    ) -> Tensor:
        """Return the anchors of one cell, centered on the origin.

        An anchor of size `s` and aspect ratio `r` has the area `s ** 2` and the width `s / sqrt(r)`.

        Args:
            sizes: Square roots of the anchor areas, in pixels.
            aspect_ratios: Ratios of height to width.

        Returns:
            `(A, 4)` float32 boxes, `A = len(sizes) * len(aspect_ratios)`; the aspect ratio varies fastest.
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
            features: One feature map `(B, C, H, W)` per level; only height, width and device are used.

        Returns:
            `Boxes` of `H * W * A` anchors for each level, shared by all images of the batch.
        """
        return [Boxes(grid) for grid in self._grids(features)]

    def _place(self, centers: Tensor, cell: Tensor) -> Tensor:
        return (torch.cat((centers, centers), dim=-1) + cell).reshape(-1, 4)


class RotatedAnchorGenerator(_GridAnchors):
    """Rotated anchors of all combinations of size, aspect ratio and angle in every grid cell.

    Args:
        sizes: Anchor sizes in pixels (square roots of the areas): one list per level, or one list for all levels.
        aspect_ratios: Ratios of height to width: one list per level, or one list for all levels.
        strides: Stride of every level in pixels.
        angles: Counter-clockwise angles in degrees: one list per level, or one list for all levels.
        offset: Position of the anchor centers within their cells, in [0, 1): 0 is the top left corner, 0.5 the center.

    Raises:
        ValueError: If an argument is invalid or does not match the number of strides.

    Source: Ma et al., "Arbitrary-Oriented Scene Text Detection via Rotation Proposals", 2018, section III-C.
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
        super().__init__(self._calculate_anchors(sizes, ratios, angles), strides, offset)

    def _calculate_anchors(
        self, sizes: Sequence[Any], aspect_ratios: Sequence[Any], angles: Sequence[Any]
    ) -> list[Tensor]:
        """Return the anchors of one cell for each level; subclasses may replace them."""
        return [self.generate_cell_anchors(s, r, a) for s, r, a in zip(sizes, aspect_ratios, angles, strict=True)]

    @staticmethod
    def generate_cell_anchors(
        sizes: Sequence[float] = (32, 64, 128, 256, 512),
        aspect_ratios: Sequence[float] = (0.5, 1, 2),
        angles: Sequence[float] = (-90, -60, -30, 0, 30, 60, 90),
    ) -> Tensor:
        """Return the anchors of one cell, centered on the origin.

        Args:
            sizes: Square roots of the anchor areas, in pixels.
            aspect_ratios: Ratios of height to width.
            angles: Counter-clockwise angles in degrees.

        Returns:
            `(A, 5)` float32 boxes `(cx, cy, width, height, angle)`; the angle varies fastest, the size slowest.
        """
        rows = []
        for size, ratio, angle in product(sizes, aspect_ratios, angles):
            width = math.sqrt(size**2 / ratio)
            rows.append([0.0, 0.0, width, ratio * width, float(angle)])
        return torch.tensor(rows)

    def forward(self, features: Sequence[Tensor]) -> list[RotatedBoxes]:
        """Return `RotatedBoxes` of `H * W * A` anchors for each level; see `DefaultAnchorGenerator.forward`."""
        return [RotatedBoxes(grid) for grid in self._grids(features)]

    def _place(self, centers: Tensor, cell: Tensor) -> Tensor:
        anchor_centers = centers + cell[:, :2]  # (H * W, A, 2)
        # Not `len(centers)`, which is a constant under torch.export.
        sizes_and_angles = cell[:, 2:].expand(centers.shape[0], -1, -1)  # (H * W, A, 3)
        return torch.cat((anchor_centers, sizes_and_angles), dim=-1).reshape(-1, 5)
