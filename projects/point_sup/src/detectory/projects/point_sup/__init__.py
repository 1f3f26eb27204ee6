"""PointSup: instance segmentation supervised by boxes and a few labeled points per object."""

from .annotations import annotations_to_instances, transform_instance_annotations
from .datasets import load_coco_points, register_coco_instances_with_points
from .mapper import PointSupDatasetMapper
from .mask_heads import ImplicitPointRendPointSupHead, MaskRCNNConvUpsamplePointSupHead
from .point_sampling import add_points
from .point_targets import get_point_coords_from_point_annotation

__all__ = [
    "ImplicitPointRendPointSupHead",
    "MaskRCNNConvUpsamplePointSupHead",
    "PointSupDatasetMapper",
    "add_points",
    "annotations_to_instances",
    "get_point_coords_from_point_annotation",
    "load_coco_points",
    "register_coco_instances_with_points",
    "transform_instance_annotations",
]
