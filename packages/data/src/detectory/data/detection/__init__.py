"""What mappers are made of: read images, transform annotations, gather them into Instances."""

from __future__ import annotations

from .annotations import (
    annotations_to_instances,
    annotations_to_instances_rotated,
    decode_rle,
    filter_empty_instances,
    gen_crop_transform_with_instance,
    get_bbox,
    transform_instance_annotations,
)
from .class_weights import get_fed_loss_cls_weights
from .consistency import check_metadata_consistency
from .images import (
    ImageReadError,
    SizeMismatchError,
    check_image_size,
    convert_image_to_rgb,
    convert_PIL_to_numpy,
    image_size_of_file,
    read_image,
)
from .keypoints import create_keypoint_hflip_indices, transform_keypoint_annotations
from .proposals import transform_proposals
from .whole_image import transform_all_annotations

__all__ = [
    "ImageReadError",
    "SizeMismatchError",
    "annotations_to_instances",
    "annotations_to_instances_rotated",
    "check_image_size",
    "check_metadata_consistency",
    "convert_PIL_to_numpy",
    "convert_image_to_rgb",
    "create_keypoint_hflip_indices",
    "decode_rle",
    "filter_empty_instances",
    "gen_crop_transform_with_instance",
    "get_bbox",
    "get_fed_loss_cls_weights",
    "image_size_of_file",
    "read_image",
    "transform_all_annotations",
    "transform_instance_annotations",
    "transform_keypoint_annotations",
    "transform_proposals",
]
