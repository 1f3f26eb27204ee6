"""Aligned region pooling under Detectron2's module path."""

from collections.abc import Sequence

import torch
from torch import Tensor

from detectory import ops
from detectory.modeling.layers import ROIAlign

__all__ = ["ROIAlign", "roi_align"]


def roi_align(
    input: Tensor,
    boxes: Tensor | Sequence[Tensor],
    output_size: int | tuple[int, int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Tensor:
    """Pool regions, with torchvision's arguments and defaults.

    Args:
        input: `(B, C, H, W)`.
        boxes: `(R, 5)` with the image's index first, or the boxes `(R, 4)` of each image.
        output_size: Side, or height and width, of the output.
        spatial_scale: Cells for one unit of the boxes.
        sampling_ratio: Samples along each side of a bin; not positive: as many as there are cells.
        aligned: Pixel centres at half-integers.

    Returns:
        `(R, C, height, width)`.
    """
    if not isinstance(boxes, Tensor):
        boxes = torch.cat([torch.cat([one.new_full((len(one), 1), i), one], dim=1) for i, one in enumerate(boxes)])
    size = (output_size, output_size) if isinstance(output_size, int) else output_size
    return ops.roi_align(input, boxes, size, spatial_scale, max(sampling_ratio, 0), aligned)
