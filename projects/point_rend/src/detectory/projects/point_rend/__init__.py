"""PointRend: segmentation masks refined at uncertain points."""

from .coarse_mask_head import CoarseMaskHead, GridHead
from .color_augmentation import ColorAugSSDTransform
from .implicit_mask_head import ImplicitPointHead, ImplicitPointRendMaskHead
from .mask_head import PointRendMaskHead, calculate_uncertainty
from .point_features import (
    generate_regular_grid_point_coords,
    get_point_coords_wrt_image,
    get_uncertain_point_coords_on_grid,
    get_uncertain_point_coords_with_randomness,
    point_sample,
    point_sample_fine_grained_features,
    sample_point_labels,
)
from .point_head import StandardPointHead, roi_mask_point_loss
from .semantic_head import PointRendSemSegHead, calculate_semantic_uncertainty
from .subdivision import refine_by_subdivision

__all__ = [
    "CoarseMaskHead",
    "ColorAugSSDTransform",
    "GridHead",
    "ImplicitPointHead",
    "ImplicitPointRendMaskHead",
    "PointRendMaskHead",
    "PointRendSemSegHead",
    "StandardPointHead",
    "calculate_semantic_uncertainty",
    "calculate_uncertainty",
    "generate_regular_grid_point_coords",
    "get_point_coords_wrt_image",
    "get_uncertain_point_coords_on_grid",
    "get_uncertain_point_coords_with_randomness",
    "point_sample",
    "point_sample_fine_grained_features",
    "refine_by_subdivision",
    "roi_mask_point_loss",
    "sample_point_labels",
]
