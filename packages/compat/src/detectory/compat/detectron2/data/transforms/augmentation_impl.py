"""Augmentations under Detectron2's module path."""

from detectory.compat.detectron2.data.transforms.augmentation import _transform_to_aug
from detectory.data import transforms as native
from detectory.data.transforms import (
    Augmentation,
    BlendTransform,
    CropTransform,
    ExtentTransform,
    FixedSizeCrop,
    HFlipTransform,
    MinIoURandomCrop,
    NoOpTransform,
    PadTransform,
    RandomBrightness,
    RandomContrast,
    RandomCrop,
    RandomCrop_CategoryAreaConstraint,
    RandomExtent,
    RandomFlip,
    RandomLighting,
    RandomResize,
    RandomRotation,
    RandomSaturation,
    Resize,
    ResizeScale,
    ResizeShortestEdge,
    ResizeTransform,
    RotationTransform,
    Transform,
    TransformList,
    VFlipTransform,
)

__all__ = [
    "BlendTransform",
    "CropTransform",
    "ExtentTransform",
    "FixedSizeCrop",
    "HFlipTransform",
    "MinIoURandomCrop",
    "NoOpTransform",
    "PadTransform",
    "RandomApply",
    "RandomBrightness",
    "RandomContrast",
    "RandomCrop",
    "RandomCrop_CategoryAreaConstraint",
    "RandomExtent",
    "RandomFlip",
    "RandomLighting",
    "RandomResize",
    "RandomRotation",
    "RandomSaturation",
    "Resize",
    "ResizeScale",
    "ResizeShortestEdge",
    "ResizeTransform",
    "RotationTransform",
    "TransformList",
    "VFlipTransform",
    "_transform_to_aug",
]


class RandomApply(native.RandomApply):
    """A `RandomApply` that raises Detectron2's exception for an invalid probability.

    Raises:
        AssertionError: If `prob` is not in [0, 1].
    """

    def __init__(self, tfm_or_aug: Augmentation | Transform, prob: float = 0.5) -> None:
        if not 0.0 <= prob <= 1.0:
            raise AssertionError(f"RandomApply: prob must be in [0, 1], got {prob}")
        super().__init__(tfm_or_aug, prob)
