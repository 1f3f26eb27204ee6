"""Bilinear sampling of feature maps at points.

Implemented with torch's `grid_sample`: a dedicated kernel would only save one pass over the coordinates, which are few
compared with the features.
"""

import torch

from detectory.ops._checks.arguments import check_same_device, check_tensor


def point_sample(input: torch.Tensor, point_coords: torch.Tensor, *, align_corners: bool = False) -> torch.Tensor:
    """Sample features bilinearly at a list or grid of points.

    Args:
        input: (B, C, H, W) floating.
        point_coords: (B, P, 2) or (B, Hg, Wg, 2) floating: x, then y, in [0, 1] relative to width and height.
        align_corners: As in `torch.nn.functional.grid_sample`: False places pixel centres at (i + 0.5) / size.

    Returns:
        (B, C, P) or (B, C, Hg, Wg) of the input's dtype; samples outside are 0. Differentiable with respect to both.

    Raises:
        TypeError: If an argument is not a floating tensor.
        ValueError: If shapes or devices do not match.

    Source: Kirillov et al., "PointRend: Image Segmentation as Rendering", CVPR 2020, section 3.1.
    """
    check_tensor("point_sample", "input", input, "(B, C, H, W)")
    check_tensor("point_sample", "point_coords", point_coords)
    check_same_device("point_sample", "input", input, "point_coords", point_coords)
    grid = point_coords[:, :, None] if point_coords.dim() == 3 else point_coords
    if grid.dim() != 4 or grid.shape[-1] != 2 or grid.shape[0] != input.shape[0]:
        raise ValueError(
            f"point_sample: point_coords must have shape (B, P, 2) or (B, Hg, Wg, 2) with B = {input.shape[0]}, "
            f"got {tuple(point_coords.shape)}"
        )
    samples = torch.nn.functional.grid_sample(input, 2 * grid.to(input.dtype) - 1, align_corners=align_corners)
    return samples[..., 0] if point_coords.dim() == 3 else samples
