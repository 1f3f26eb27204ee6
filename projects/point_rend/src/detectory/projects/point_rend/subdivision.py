"""Adaptive subdivision: masks that are computed coarsely and refined at the most uncertain points."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

from .point_features import generate_regular_grid_point_coords, get_uncertain_point_coords_on_grid

__all__ = ["refine_by_subdivision"]


def refine_by_subdivision(
    predict: Callable[[Tensor], Tensor], regions: Tensor, side: int, doublings: int, num_points: int
) -> Tensor:
    """Return mask logits, computed on a regular grid and then at the most uncertain points of each doubling.

    Args:
        predict: Maps points `(R, P, 2)`, relative to the regions, to logits `(R, P)`.
        regions: Any tensor with one row for each of the `R` regions.
        side: Side `S` of the first, regular grid.
        doublings: Number of times the resolution is doubled.
        num_points: Number of points that are recomputed after each doubling.

    Returns:
        `(R, 1, S * 2**doublings, S * 2**doublings)`.

    Source: Kirillov et al., "PointRend: Image Segmentation as Rendering", CVPR 2020, section 3.1.
    """
    grid = generate_regular_grid_point_coords(regions.shape[0], side, regions.device)
    logits = predict(grid).view(regions.shape[0], 1, side, side)
    for _ in range(doublings):
        logits = F.interpolate(logits, scale_factor=2, mode="bilinear", align_corners=False)
        indices, points = get_uncertain_point_coords_on_grid(-logits.abs(), num_points)
        logits = logits.flatten(1).scatter(1, indices, predict(points)).view(logits.shape)
    return logits
