"""Bilinear samples of feature maps at real-valued points.

Built from torch's `grid_sample`: a kernel of our own would do the same reads in the same order and save one pass over
the coordinates, which are few beside the features.
"""

import torch

from detectory.ops._arguments import check_same_device, check_tensor


def point_sample(input: torch.Tensor, point_coords: torch.Tensor, *, align_corners: bool = False) -> torch.Tensor:
    """Sample features at points, or on a grid of points.

    Args:
        input: (B, C, H, W) floating.
        point_coords: (B, P, 2) or (B, Hg, Wg, 2) floating: x, then y, in [0, 1] of the map's width and height.
        align_corners: As in `torch.nn.functional.grid_sample`: False places pixel centres at (i + 0.5) / size.

    Returns:
        (B, C, P) or (B, C, Hg, Wg) of the input's dtype; points outside read 0. Differentiable with respect to both.

    Raises:
        TypeError: an argument is not a floating tensor.
        ValueError: shapes or devices do not fit.

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
