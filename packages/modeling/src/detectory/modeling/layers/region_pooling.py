"""Pooling of regions of a feature map to a fixed size."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory import ops

Size = int | tuple[int, int]


class ROIAlign(nn.Module):
    """Average of bilinear samples in each bin of a region.

    Args:
        output_size: `(height, width)` of the output.
        spatial_scale: Scale of the feature map relative to the image, 1 / stride.
        sampling_ratio: Samples per bin along each side; 0 chooses the number adaptively, about one per feature cell.
        aligned: Whether pixel centers have half-integer coordinates. `False` is the convention of the first
            implementations.

    Source: He et al., "Mask R-CNN", 2017, section 3.
    """

    def __init__(self, output_size: Size, spatial_scale: float, sampling_ratio: int, aligned: bool = True) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale
        self.sampling_ratio = sampling_ratio
        self.aligned = aligned

    def forward(self, input: Tensor, rois: Tensor) -> Tensor:
        """Pool regions.

        Args:
            input: Feature map `(B, C, H, W)`.
            rois: `(R, 5)` rows `(image index, x1, y1, x2, y2)` in image pixels.

        Returns:
            `(R, C, height, width)`.
        """
        size, scale = self.output_size, self.spatial_scale
        if torch.jit.is_scripting():
            height, width = size  # type: ignore[misc]
            return torch.ops.detectory.roi_align(input, rois, scale, height, width, self.sampling_ratio, self.aligned)
        return ops.roi_align(input, rois, size, scale, self.sampling_ratio, self.aligned)

    def extra_repr(self) -> str:
        """Return the arguments that `print` shows."""
        return (
            f"output_size={self.output_size}, spatial_scale={self.spatial_scale},"
            f" sampling_ratio={self.sampling_ratio}, aligned={self.aligned}"
        )


class ROIAlignRotated(nn.Module):
    """`ROIAlign` for rotated boxes; pixel centers have half-integer coordinates.

    Args:
        output_size: `(height, width)` of the output.
        spatial_scale: Scale of the feature map relative to the image, 1 / stride.
        sampling_ratio: Samples per bin along each side; 0 chooses the number adaptively, about one per feature cell.

    Source: Ma et al., "Arbitrary-Oriented Scene Text Detection via Rotation Proposals", 2018, section III-D.
    """

    def __init__(self, output_size: Size, spatial_scale: float, sampling_ratio: int) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale
        self.sampling_ratio = sampling_ratio

    def forward(self, input: Tensor, rois: Tensor) -> Tensor:
        """Pool rotated regions.

        Args:
            input: Feature map `(B, C, H, W)`.
            rois: `(R, 6)` rows `(image index, cx, cy, width, height, counter-clockwise angle in degrees)`, in image
                pixels.

        Returns:
            `(R, C, height, width)`, in the coordinate system of each region.
        """
        size, scale = self.output_size, self.spatial_scale
        if torch.jit.is_scripting():
            height, width = size  # type: ignore[misc]
            return torch.ops.detectory.roi_align_rotated(input, rois, scale, height, width, self.sampling_ratio)
        return ops.roi_align_rotated(input, rois, size, scale, self.sampling_ratio)

    def extra_repr(self) -> str:
        """Return the arguments that `print` shows."""
        return (
            f"output_size={self.output_size}, spatial_scale={self.spatial_scale}, sampling_ratio={self.sampling_ratio}"
        )


class ROIPool(nn.Module):
    """Maximum of the feature cells in each bin of a region, for older checkpoints; a simple and slow implementation.

    The corners of a region are rounded to cells, both inclusive. Bins outside the feature map are 0.

    Args:
        output_size: `(height, width)` of the output, or its side length.
        spatial_scale: Scale of the feature map relative to the image, 1 / stride.

    Source: Girshick, "Fast R-CNN", 2015, section 2.1.
    """

    def __init__(self, output_size: Size, spatial_scale: float) -> None:
        super().__init__()
        self.output_size = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
        self.spatial_scale = spatial_scale

    def forward(self, input: Tensor, rois: Tensor) -> Tensor:
        """Pool regions; arguments and result are those of `ROIAlign.forward`."""
        crops = [self._pool(input, *row) for row in rois.detach().tolist()]
        return torch.stack(crops) if crops else input.new_zeros((0, input.shape[1], *self.output_size))

    def _pool(self, maps: Tensor, index: float, *box: float) -> Tensor:
        """Return the pooled features `(C, height, width)` of one region."""
        height, width = maps.shape[-2:]
        x1, y1, x2, y2 = (math.floor(c * self.spatial_scale + 0.5) for c in box)
        x2, y2 = max(x2, x1), max(y2, y1)
        left, top = min(max(x1, 0), width), min(max(y1, 0), height)
        right, bottom = max(min(x2 + 1, width), left), max(min(y2 + 1, height), top)
        crop = maps[int(index), :, top:bottom, left:right]
        if crop.numel() == 0:
            return maps.new_zeros((maps.shape[1], *self.output_size))
        # Padding with minus infinity excludes cells outside the feature map from the maximum.
        padding = (left - x1, x2 + 1 - right, top - y1, y2 + 1 - bottom)
        pooled = F.adaptive_max_pool2d(F.pad(crop, padding, value=-math.inf), self.output_size)
        return pooled.masked_fill(pooled == -math.inf, 0.0)

    def extra_repr(self) -> str:
        """Return the arguments that `print` shows."""
        return f"output_size={self.output_size}, spatial_scale={self.spatial_scale}"
