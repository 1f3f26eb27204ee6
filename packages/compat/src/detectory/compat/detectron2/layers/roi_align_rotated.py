"""Rotated ROIAlign under Detectron2's module path."""

import torch
from torch import Tensor

from detectory.modeling.layers import ROIAlignRotated

__all__ = ["ROIAlignRotated", "_ROIAlignRotated", "roi_align_rotated"]


def roi_align_rotated(
    input: Tensor, boxes: Tensor, output_size: tuple[int, int], spatial_scale: float, sampling_ratio: int
) -> Tensor:
    """Pool rotated regions `(R, 6)`; see `ROIAlignRotated`."""
    if torch.jit.is_scripting():
        height, width = output_size
        return torch.ops.detectory.roi_align_rotated(input, boxes, spatial_scale, height, width, sampling_ratio)

    return ROIAlignRotated(output_size, spatial_scale, sampling_ratio)(input, boxes)


class _ROIAlignRotated:
    """Rotated ROIAlign with the interface of an autograd function."""

    apply = staticmethod(roi_align_rotated)
