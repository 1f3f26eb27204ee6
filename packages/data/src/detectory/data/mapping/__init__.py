"""Mappers from dataset records to model inputs, and the functions from which custom mappers are built."""

from .annotations import (
    annotations_to_instances,
    annotations_to_instances_rotated,
    filter_empty_instances,
    gen_crop_transform_with_instance,
    get_bbox,
    transform_instance_annotations,
)
from .keypoints import create_keypoint_hflip_indices, transform_keypoint_annotations
from .mapper import DatasetMapper
from .mixes import CopyPaste, MixUp, Mosaic
from .multi_image import MixingMapper
from .proposals import transform_proposals
from .skip_bad_samples import SkipBadSamples
from .whole_image import transform_all_annotations

__all__ = [
    "CopyPaste",
    "DatasetMapper",
    "MixUp",
    "MixingMapper",
    "Mosaic",
    "SkipBadSamples",
    "annotations_to_instances",
    "annotations_to_instances_rotated",
    "create_keypoint_hflip_indices",
    "filter_empty_instances",
    "gen_crop_transform_with_instance",
    "get_bbox",
    "transform_all_annotations",
    "transform_instance_annotations",
    "transform_keypoint_annotations",
    "transform_proposals",
]
