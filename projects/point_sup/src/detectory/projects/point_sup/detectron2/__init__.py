"""PointSup under Detectron2's module path: config keys, registered heads, mapper and YAML configs."""

from detectory.projects.point_sup.detectron2.config import add_point_sup_config
from detectory.projects.point_sup.detectron2.dataset_mapper import PointSupDatasetMapper
from detectory.projects.point_sup.detectron2.mask_head import (
    ImplicitPointRendPointSupHead,
    MaskRCNNConvUpsamplePointSupHead,
)
from detectory.projects.point_sup.detectron2.point_utils import get_point_coords_from_point_annotation
from detectory.projects.point_sup.detectron2.register_point_annotations import register_coco_instances_with_points

__all__ = [
    "ImplicitPointRendPointSupHead",
    "MaskRCNNConvUpsamplePointSupHead",
    "PointSupDatasetMapper",
    "add_point_sup_config",
    "get_point_coords_from_point_annotation",
    "register_coco_instances_with_points",
]
