"""PointRend under Detectron2's module path: config keys, registered heads and YAML configs."""

from detectory.projects.point_rend.detectron2.color_augmentation import ColorAugSSDTransform
from detectory.projects.point_rend.detectron2.config import add_pointrend_config
from detectory.projects.point_rend.detectron2.mask_head import (
    CoarseMaskHead,
    ImplicitPointRendMaskHead,
    PointRendMaskHead,
    calculate_uncertainty,
)
from detectory.projects.point_rend.detectron2.point_features import (
    generate_regular_grid_point_coords,
    get_point_coords_wrt_image,
    get_uncertain_point_coords_on_grid,
    get_uncertain_point_coords_with_randomness,
    point_sample,
    point_sample_fine_grained_features,
    sample_point_labels,
)
from detectory.projects.point_rend.detectron2.point_head import (
    POINT_HEAD_REGISTRY,
    ImplicitPointHead,
    StandardPointHead,
    build_point_head,
    roi_mask_point_loss,
)
from detectory.projects.point_rend.detectron2.roi_heads import PointRendROIHeads
from detectory.projects.point_rend.detectron2.semantic_seg import PointRendSemSegHead

__all__ = [
    "POINT_HEAD_REGISTRY",
    "CoarseMaskHead",
    "ColorAugSSDTransform",
    "ImplicitPointHead",
    "ImplicitPointRendMaskHead",
    "PointRendMaskHead",
    "PointRendROIHeads",
    "PointRendSemSegHead",
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
    "sample_point_labels",
]
