"""Region features from the levels of a pyramid."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from detectory.core.suggestions import nearest
from detectory.modeling.layers import ROIAlign, ROIAlignRotated, ROIPool
from detectory.structures import Boxes

POOLER_TYPES = ("ROIAlign", "ROIAlignV2", "ROIAlignRotated", "ROIPool")


def assign_boxes_to_levels(
    box_lists: list[Boxes],
    min_level: int,
    max_level: int,
    canonical_box_size: int,
    canonical_level: int,
) -> Tensor:
    """Choose for every box the level whose stride suits its size.

    Args:
        box_lists: Boxes of each image, `R` in all.
        min_level: Finest level, `log2` of its stride.
        max_level: Coarsest level.
        canonical_box_size: Side in pixels of a square that belongs to `canonical_level`.
        canonical_level: Its level.

    Returns:
        `(R,)` int64, counted from `min_level`.

    Source: Lin et al., "Feature Pyramid Networks", 2017, equation 1.
    """
    sizes = torch.sqrt(torch.cat([boxes.area() for boxes in box_lists]))
    levels = torch.floor(canonical_level + torch.log2(sizes / canonical_box_size + 1e-8))
    return levels.clamp(min_level, max_level).to(torch.int64) - min_level


def convert_boxes_to_pooler_format(box_lists: list[Boxes]) -> Tensor:
    """Return the boxes of all images as rows `(image index, box…)`: `(R, 5)`, or `(R, 6)` if rotated."""
    boxes = torch.cat([boxes.tensor for boxes in box_lists])
    index: list[Tensor] = []
    for i, one in enumerate(box_lists):
        index.append(one.tensor.new_full((one.tensor.shape[0], 1), float(i)))
    return torch.cat((torch.cat(index), boxes), dim=1)


class ROIPooler(nn.Module):
    """Pool every region from the level that suits its size.

    Args:
        output_size: Side, or `(height, width)`, of the output.
        scales: Cells for one image pixel of every level: 1 / stride, each half of the one before.
        sampling_ratio: Samples along each side of a bin, 0 for as many as there are cells.
        pooler_type: `"ROIAlignV2"` (pixel centres at half-integers), `"ROIAlign"` (the older shift),
            `"ROIAlignRotated"` or `"ROIPool"`.
        canonical_box_size: Side in pixels of a square that belongs to `canonical_level`.
        canonical_level: `log2` of the stride of that level.

    Raises:
        ValueError: for an unknown type, or scales that are not halves of each other.
    """

    def __init__(
        self,
        output_size: int | Sequence[int],
        scales: Sequence[float],
        sampling_ratio: int,
        pooler_type: str,
        canonical_box_size: int = 224,
        canonical_level: int = 4,
    ) -> None:
        super().__init__()
        size = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
        if len(size) != 2:
            raise ValueError(f"ROIPooler: output_size must be one or two numbers, got {output_size}")
        self.output_size = size
        self.scales = tuple(scales)
        self.sampling_ratio = sampling_ratio
        self.pooler_type = pooler_type
        self.canonical_box_size = canonical_box_size
        self.canonical_level = canonical_level
        levels = [-math.log2(scale) for scale in self.scales]
        if levels != [round(levels[0]) + i for i in range(len(levels))]:
            raise ValueError(f"ROIPooler: scales must be powers of two, each half of the one before, got {self.scales}")
        self.min_level, self.max_level = int(levels[0]), int(levels[-1])
        self.level_poolers = nn.ModuleList(self._pooler(scale) for scale in self.scales)

    def _pooler(self, scale: float) -> nn.Module:
        size, samples = self.output_size, self.sampling_ratio
        if self.pooler_type in ("ROIAlign", "ROIAlignV2"):
            return ROIAlign(size, scale, samples, aligned=self.pooler_type == "ROIAlignV2")
        if self.pooler_type == "ROIAlignRotated":
            return ROIAlignRotated(size, scale, samples)
        if self.pooler_type == "ROIPool":
            return ROIPool(size, scale)
        raise ValueError(f"ROIPooler: unknown type {self.pooler_type!r}; {nearest(self.pooler_type, POOLER_TYPES)}")

    def forward(self, x: list[Tensor], box_lists: list[Boxes]) -> Tensor:
        """Pool the boxes of a batch.

        Args:
            x: One map `(B, C, H, W)` for each scale.
            box_lists: Boxes of each of the `B` images, in image pixels.

        Returns:
            `(R, C, height, width)`, the regions of all images in order.
        """
        if len(x) != len(self.level_poolers) or len(box_lists) != x[0].shape[0]:
            scales, images = len(self.level_poolers), x[0].shape[0]
            raise ValueError(
                f"ROIPooler: got {len(x)} maps for {scales} scales, and {len(box_lists)} box lists for {images} images"
            )
        rois = convert_boxes_to_pooler_format(box_lists)
        if len(self.level_poolers) == 1:
            return self.level_poolers[0](x[0], rois)
        levels = assign_boxes_to_levels(
            box_lists, self.min_level, self.max_level, self.canonical_box_size, self.canonical_level
        )
        height, width = self.output_size
        pooled = x[0].new_zeros((rois.shape[0], x[0].shape[1], height, width))
        for level, pooler in enumerate(self.level_poolers):
            rows = (levels == level).nonzero().squeeze(1)
            pooled.index_put_([rows], pooler(x[level], rois[rows]))
        return pooled
