"""Pooling of region features from the levels of a feature pyramid."""

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
    """Assign every box to the pyramid level that suits its size.

    A box of area `canonical_box_size ** 2` is assigned to `canonical_level`; each doubling of the side moves a box one
    level up. Boxes outside the range of levels are assigned to the first or the last one.

    Args:
        box_lists: The boxes of each image, `R` in total.
        min_level: `log2` of the stride of the finest level.
        max_level: `log2` of the stride of the coarsest level.
        canonical_box_size: Side length in pixels, see above.
        canonical_level: `log2` of a stride, see above.

    Returns:
        `(R,)` int64 level indices, starting from 0 for `min_level`.

    Source: Lin et al., "Feature Pyramid Networks", 2017, equation 1.
    """
    sizes = torch.sqrt(torch.cat([boxes.area() for boxes in box_lists]))
    levels = torch.floor(canonical_level + torch.log2(sizes / canonical_box_size + 1e-8))
    return levels.clamp(min_level, max_level).to(torch.int64) - min_level


def convert_boxes_to_pooler_format(box_lists: list[Boxes]) -> Tensor:
    """Concatenate the boxes of all images into rows of image index and box.

    Args:
        box_lists: The boxes of each image, `R` in total.

    Returns:
        `(R, 5)` rows `(image index, x1, y1, x2, y2)`, or `(R, 6)` for rotated boxes.
    """
    boxes = torch.cat([boxes.tensor for boxes in box_lists])
    index: list[Tensor] = []
    for i, image_boxes in enumerate(box_lists):
        index.append(image_boxes.tensor.new_full((image_boxes.tensor.shape[0], 1), float(i)))
    return torch.cat((torch.cat(index), boxes), dim=1)


class ROIPooler(nn.Module):
    """Region pooling from a feature pyramid: each region is pooled from the level that suits its size.

    Args:
        output_size: `(height, width)` of the output, or its side length.
        scales: Scale of every level relative to the image, 1 / stride, from fine to coarse. Each is half of the
            previous one.
        sampling_ratio: Samples per bin along each side; 0 chooses the number adaptively, about one sample per feature
            cell.
        pooler_type: `"ROIAlignV2"` (pixel centers at half-integer coordinates), `"ROIAlign"` (without the half-pixel
            shift, for older checkpoints), `"ROIAlignRotated"` or `"ROIPool"`.
        canonical_box_size: Side length in pixels of the boxes that belong to `canonical_level`.
        canonical_level: `log2` of the stride of the level that boxes of the canonical size belong to.

    Raises:
        ValueError: If `pooler_type` is unknown, or `scales` are not consecutive powers of two.
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
            raise ValueError(f"ROIPooler: output_size must be one or two integers, got {output_size}")
        self.output_size = size
        self.scales = tuple(scales)
        self.sampling_ratio = sampling_ratio
        self.pooler_type = pooler_type
        self.canonical_box_size = canonical_box_size
        self.canonical_level = canonical_level
        levels = [-math.log2(scale) for scale in self.scales]
        if levels != [round(levels[0]) + i for i in range(len(levels))]:
            raise ValueError(
                f"ROIPooler: scales must be powers of two, each half of the previous one, got {self.scales}"
            )
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
        raise ValueError(
            f"ROIPooler: unknown pooler_type {self.pooler_type!r}; {nearest(self.pooler_type, POOLER_TYPES)}"
        )

    def forward(self, x: list[Tensor], box_lists: list[Boxes]) -> Tensor:
        """Pool the regions of a batch.

        Args:
            x: One feature map `(B, C, H, W)` per scale.
            box_lists: The boxes of each of the `B` images, in image pixels, `R` in total.

        Returns:
            `(R, C, height, width)`, in the order of the boxes.

        Raises:
            ValueError: If the number of feature maps or of box lists is wrong.
        """
        if len(box_lists) == 0:
            return x[0].new_zeros([0, x[0].shape[1], self.output_size[0], self.output_size[1]])
        if len(x) != len(self.level_poolers) or len(box_lists) != x[0].shape[0]:
            raise ValueError(
                f"ROIPooler: expected {len(self.level_poolers)} feature maps and {x[0].shape[0]} box lists,"
                f" got {len(x)} and {len(box_lists)}"
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
            indices = (levels == level).nonzero().squeeze(1)
            pooled.index_put_([indices], pooler(x[level], rois[indices]))
        return pooled
