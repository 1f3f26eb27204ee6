"""Augmentation interfaces under Detectron2's module path, with their older names."""

from typing import Any

import numpy as np

from detectory.data.transforms import (
    AugInput,
    Augmentation,
    AugmentationList,
    Transform,
    TransformList,
    apply_augmentations,
)
from detectory.data.transforms.augmentation import _FixedTransform as _TransformToAug
from detectory.data.transforms.augmentation import as_augmentation as _transform_to_aug

__all__ = [
    "AugInput",
    "Augmentation",
    "AugmentationList",
    "StandardAugInput",
    "Transform",
    "TransformGen",
    "TransformList",
    "_TransformToAug",
    "_check_img_dtype",
    "_get_aug_input_args",
    "_transform_to_aug",
    "apply_augmentations",
    "apply_transform_gens",
]

TransformGen = Augmentation
StandardAugInput = AugInput
apply_transform_gens = apply_augmentations


def _check_img_dtype(img: Any) -> None:
    """Check that an image is an array `(H, W)` or `(H, W, C)` of uint8 or floating point.

    Raises:
        AssertionError: If it is not.
    """
    if not isinstance(img, np.ndarray) or img.ndim not in (2, 3):
        raise AssertionError(f"an image must be an array (H, W) or (H, W, C), got {type(img).__name__}")
    if img.dtype != np.uint8 and not np.issubdtype(img.dtype, np.floating):
        raise AssertionError(f"an image must be uint8 or floating point, got {img.dtype}")


def _get_aug_input_args(aug: Augmentation, aug_input: Any) -> list[Any]:
    """Return the attributes of an input that an augmentation's `get_transform` takes."""
    return [getattr(aug_input, name) for name in aug._names_for(aug_input)]
