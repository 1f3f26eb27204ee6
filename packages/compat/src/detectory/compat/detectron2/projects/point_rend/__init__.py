"""PointRend: point-wise refinement of uncertain mask regions."""

from detectory.compat.detectron2.projects.point_rend.color_augmentation import ColorAugSSDTransform
from detectory.compat.detectron2.projects.point_rend.config import add_pointrend_config
from detectory.compat.detectron2.projects.point_rend.mask_head import (
    CoarseMaskHead,
    PointRendMaskHead,
    calculate_uncertainty,
    roi_mask_point_loss,
)
from detectory.compat.detectron2.projects.point_rend.point_features import (
    generate_regular_grid_point_coords,
    get_point_coords_wrt_image,
    get_uncertain_point_coords_on_grid,
    get_uncertain_point_coords_with_randomness,
    point_sample,
    point_sample_fine_grained_features,
)
from detectory.compat.detectron2.projects.point_rend.point_head import (
    POINT_HEAD_REGISTRY,
    StandardPointHead,
    build_point_head,
)

__all__ = [
    "POINT_HEAD_REGISTRY",
    "CoarseMaskHead",
    "ColorAugSSDTransform",
    "PointRendMaskHead",
    "StandardPointHead",
    "add_pointrend_config",
    "build_point_head",
    "calculate_uncertainty",
    "generate_regular_grid_point_coords",
    "get_point_coords_wrt_image",
    "get_uncertain_point_coords_on_grid",
    "get_uncertain_point_coords_with_randomness",
    "point_sample",
    "point_sample_fine_grained_features",
    "roi_mask_point_loss",
]
