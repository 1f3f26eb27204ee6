"""ROIAlign under Detectron2's module path."""

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
    """Apply ROIAlign with torchvision's arguments and defaults.

    Args:
        input: `(B, C, H, W)`.
        boxes: `(R, 5)` with the image index first, or a list of boxes `(R, 4)` per image.
        output_size: Output side length, or height and width.
        spatial_scale: Feature cells per box unit.
        sampling_ratio: Samples per bin side; if not positive, one per cell.
        aligned: Use half-pixel centres.

    Returns:
        `(R, C, height, width)`.
    """
    if not isinstance(boxes, Tensor):
        boxes = torch.cat([torch.cat([x.new_full((len(x), 1), i), x], dim=1) for i, x in enumerate(boxes)])
    size = (output_size, output_size) if isinstance(output_size, int) else output_size
    return ops.roi_align(input, boxes, size, spatial_scale, max(sampling_ratio, 0), aligned)
