"""Building blocks of dataset mappers under Detectron2's module path."""

from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

from detectory.compat.detectron2.config import CfgNode
from detectory.compat.detectron2.utils.file_io import PathManager
from detectory.data import MetadataCatalog, mapping
from detectory.data import transforms as T
from detectory.data.class_weights import get_fed_loss_cls_weights
from detectory.data.consistency import check_metadata_consistency
from detectory.data.images import (
    SizeMismatchError,
    check_image_size,
    convert_PIL_to_numpy,
    read_image,
)
from detectory.data.images import convert_image_to_rgb as _convert_image_to_rgb
from detectory.data.mapping import (
    annotations_to_instances,
    annotations_to_instances_rotated,
    create_keypoint_hflip_indices,
    filter_empty_instances,
    get_bbox,
    transform_instance_annotations,
    transform_keypoint_annotations,
    transform_proposals,
)
from detectory.structures import (
    BitMasks,
    Boxes,
    BoxMode,
    Instances,
    Keypoints,
    PolygonMasks,
    RotatedBoxes,
    polygons_to_bitmask,
)
from detectory.structures.records import Annotation

__all__ = [
    "_EXIF_ORIENT",
    "_M_RGB2YUV",
    "_M_YUV2RGB",
    "BitMasks",
    "BoxMode",
    "Boxes",
    "Instances",
    "Keypoints",
    "MetadataCatalog",
    "PathManager",
    "PolygonMasks",
    "RotatedBoxes",
    "SizeMismatchError",
    "annotations_to_instances",
    "annotations_to_instances_rotated",
    "build_augmentation",
    "build_transform_gen",
    "check_image_size",
    "check_metadata_consistency",
    "convert_PIL_to_numpy",
    "convert_image_to_rgb",
    "create_keypoint_hflip_indices",
    "filter_empty_instances",
    "gen_crop_transform_with_instance",
    "get_bbox",
    "get_fed_loss_cls_weights",
    "polygons_to_bitmask",
    "read_image",
    "transform_instance_annotations",
    "transform_keypoint_annotations",
    "transform_proposals",
]


def convert_image_to_rgb(image: Any, format: str) -> np.ndarray:
    """Convert an image to RGB; YUV images become floating point in [0, 255], as in Detectron2."""
    if format != "YUV-BT.601":
        return _convert_image_to_rgb(image, format)
    values = image.cpu().numpy() if isinstance(image, torch.Tensor) else image
    return np.dot(values, np.array(_M_YUV2RGB).T) * 255.0


def _apply_exif_orientation(image: Image.Image) -> Image.Image:
    """Return the image rotated according to its EXIF orientation, for mappers that open files themselves."""
    return ImageOps.exif_transpose(image)


def gen_crop_transform_with_instance(
    crop_size: tuple[int, int], image_size: tuple[int, int], instance: Annotation
) -> T.CropTransform:
    """Draw a crop window that contains the centre of an instance's box; see the native function for the arguments.

    Raises:
        AssertionError: If the window does not fit into the image, or the centre is outside the image.
    """
    try:
        return mapping.gen_crop_transform_with_instance(crop_size, image_size, instance)
    except ValueError as error:
        raise AssertionError(str(error)) from error


def build_augmentation(cfg: CfgNode, is_train: bool) -> list[T.Augmentation]:
    """Build the resize, and in training the flip, configured by `INPUT`."""
    settings = cfg.INPUT
    if not is_train:
        return [T.ResizeShortestEdge(settings.MIN_SIZE_TEST, settings.MAX_SIZE_TEST, "choice")]
    augmentations: list[Any] = [
        T.ResizeShortestEdge(settings.MIN_SIZE_TRAIN, settings.MAX_SIZE_TRAIN, settings.MIN_SIZE_TRAIN_SAMPLING)
    ]
    if settings.RANDOM_FLIP != "none":
        vertical = settings.RANDOM_FLIP == "vertical"
        augmentations.append(T.RandomFlip(horizontal=not vertical, vertical=vertical))
    return augmentations


build_transform_gen = build_augmentation


# ITU-R BT.601, for images with (Y, U, V) channels.
_M_RGB2YUV = [[0.299, 0.587, 0.114], [-0.14713, -0.28886, 0.436], [0.615, -0.51499, -0.10001]]
_M_YUV2RGB = [[1.0, 0.0, 1.13983], [1.0, -0.39465, -0.58060], [1.0, 2.03211, 0.0]]
_EXIF_ORIENT = 274  # the EXIF tag "Orientation"
