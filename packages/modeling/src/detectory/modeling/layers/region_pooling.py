"""Modules that cut regions out of one feature map and bring them to one size."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory import ops

Size = int | tuple[int, int]


class ROIAlign(nn.Module):
    """Average bilinear samples in every bin of every region.

    Args:
        output_size: `(height, width)` of the output.
        spatial_scale: Cells of the map for one pixel of the image.
        sampling_ratio: Samples along each side of a bin; 0 takes about one for each cell.
        aligned: Whether pixel centres lie at half-integer coordinates. `False` is the first paper's code.

    Source: He et al., "Mask R-CNN", 2017, section 3.
    """

    def __init__(self, output_size: Size, spatial_scale: float, sampling_ratio: int, aligned: bool = True) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale
        self.sampling_ratio = sampling_ratio
        self.aligned = aligned

    def forward(self, input: Tensor, rois: Tensor) -> Tensor:
        """Pool `input` of shape `(B, C, H, W)`.

        Args:
            input: The feature map.
            rois: `(R, 5)`: image index, then a box `(x1, y1, x2, y2)` in image pixels.

        Returns:
            `(R, C, height, width)`.
        """
        size, scale = self.output_size, self.spatial_scale
        if torch.jit.is_scripting():
            height, width = size  # type: ignore[misc]
            return torch.ops.detectory.roi_align(input, rois, scale, height, width, self.sampling_ratio, self.aligned)
        return ops.roi_align(input, rois, size, scale, self.sampling_ratio, self.aligned)

    def extra_repr(self) -> str:
        """Return what `print` shows."""
        return (
            f"output_size={self.output_size}, spatial_scale={self.spatial_scale},"
            f" sampling_ratio={self.sampling_ratio}, aligned={self.aligned}"
        )


class ROIAlignRotated(nn.Module):
    """`ROIAlign` for rotated boxes; pixel centres lie at half-integer coordinates.

    Args:
        output_size: `(height, width)` of the output.
        spatial_scale: Cells of the map for one pixel of the image.
        sampling_ratio: Samples along each side of a bin; 0 takes about one for each cell.
    """

    def __init__(self, output_size: Size, spatial_scale: float, sampling_ratio: int) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale
        self.sampling_ratio = sampling_ratio

    def forward(self, input: Tensor, rois: Tensor) -> Tensor:
        """Pool `input` of shape `(B, C, H, W)`.

        Args:
            input: The feature map.
            rois: `(R, 6)`: image index, then `(cx, cy, width, height, degrees counter-clockwise)`.

        Returns:
            `(R, C, height, width)` in the region's own frame.
        """
        return ops.roi_align_rotated(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio)

    def extra_repr(self) -> str:
        """Return what `print` shows."""
        return (
            f"output_size={self.output_size}, spatial_scale={self.spatial_scale}, sampling_ratio={self.sampling_ratio}"
        )


class ROIPool(nn.Module):
    """Maximum of every bin of every region, on whole cells.

    Slow on purpose: old checkpoints need it, nothing new should. Regions are rounded to cells, both ends
    included, and bins outside the map are zero.

    Args:
        output_size: `(height, width)` of the output.
        spatial_scale: Cells of the map for one pixel of the image.

    Source: Girshick, "Fast R-CNN", 2015, section 2.1.
    """

    def __init__(self, output_size: Size, spatial_scale: float) -> None:
        super().__init__()
        self.output_size = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
        self.spatial_scale = spatial_scale

    def forward(self, input: Tensor, rois: Tensor) -> Tensor:
        """Pool `input` of shape `(B, C, H, W)` by `rois` of shape `(R, 5)` to `(R, C, height, width)`."""
        crops = [self._pool(input, *row) for row in rois.detach().tolist()]
        return torch.stack(crops) if crops else input.new_zeros((0, input.shape[1], *self.output_size))

    def _pool(self, maps: Tensor, index: float, *box: float) -> Tensor:
        height, width = maps.shape[-2:]
        x1, y1, x2, y2 = (math.floor(c * self.spatial_scale + 0.5) for c in box)
        x2, y2 = max(x2, x1), max(y2, y1)
        left, top = min(max(x1, 0), width), min(max(y1, 0), height)
        right, bottom = max(min(x2 + 1, width), left), max(min(y2 + 1, height), top)
        crop = maps[int(index), :, top:bottom, left:right]
        if crop.numel() == 0:
            return maps.new_zeros((maps.shape[1], *self.output_size))
        # Cells outside the map take no part: minus infinity loses every comparison.
        around = (left - x1, x2 + 1 - right, top - y1, y2 + 1 - bottom)
        pooled = F.adaptive_max_pool2d(F.pad(crop, around, value=-math.inf), self.output_size)
        return pooled.masked_fill(pooled == -math.inf, 0.0)

    def extra_repr(self) -> str:
        """Return what `print` shows."""
        return f"output_size={self.output_size}, spatial_scale={self.spatial_scale}"
