"""Augmentations under Detectron2's module path."""

import numpy as np

from detectory.compat.detectron2.data.transforms.augmentation import _transform_to_aug
from detectory.data import transforms as native
from detectory.data.transforms import (
    Augmentation,
    BlendTransform,
    CropTransform,
    ExtentTransform,
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


class FixedSizeCrop(native.FixedSizeCrop):
    """A `FixedSizeCrop` in two steps, `_get_crop` and `_get_pad`, which subclasses may replace."""

    def _get_crop(self, image: np.ndarray) -> Transform:
        """Return a random crop."""
        return super().get_transform(image).transforms[0]

    def _get_pad(self, image: np.ndarray) -> Transform:
        """Return the padding of the cropped image."""
        height, width = (min(size, out) for size, out in zip(image.shape[:2], self.crop_size, strict=True))
        right, bottom = self.crop_size[1] - width, self.crop_size[0] - height
        return PadTransform(0, 0, right, bottom, width, height, self.pad_value, self.seg_pad_value)

    def get_transform(self, image: np.ndarray) -> TransformList:
        """Return a random crop, followed by the padding of smaller images."""
        transforms = [self._get_crop(image)]
        if self.pad:
            transforms.append(self._get_pad(image))
        return TransformList(transforms)


class ResizeScale(native.ResizeScale):
    """A `ResizeScale` that resizes in `_get_resize`, which subclasses may replace."""

    def _get_resize(self, image: np.ndarray, scale: float) -> Transform:
        """Return the resize to the target box at a scale."""
        height, width = image.shape[:2]
        fit = min(scale * self.target_height / height, scale * self.target_width / width)
        new_height, new_width = (max(int(np.round(side * fit)), 1) for side in (height, width))
        return ResizeTransform(height, width, new_height, new_width, self.interp)

    def get_transform(self, image: np.ndarray) -> Transform:
        """Return a resize with a random scale."""
        return self._get_resize(image, np.random.uniform(self.min_scale, self.max_scale))
