"""Transforms and augmentations: images and what lies on them, changed together."""

from .affine import AffineTransform, GridSampleTransform, RotationTransform
from .augmentation import AugInput, Augmentation, AugmentationList, apply_augmentations
from .colors import BlendTransform, ColorTransform, PILColorTransform
from .crops import CropTransform, PadTransform
from .flips import HFlipTransform, VFlipTransform
from .random_color import RandomBrightness, RandomContrast, RandomLighting, RandomSaturation
from .random_crop import (
    FixedSizeCrop,
    MinIoURandomCrop,
    RandomCrop,
    RandomCrop_CategoryAreaConstraint,
    RandomExtent,
)
from .random_geometry import RandomApply, RandomFlip, RandomRotation
from .random_resize import RandomResize, Resize, ResizeScale, ResizeShortestEdge
from .resize import ExtentTransform, ResizeTransform, ScaleTransform
from .torchvision_pipeline import TorchvisionAugmentation, TorchvisionTransform
from .transform import NoOpTransform, Transform, TransformList

__all__ = [
    "AffineTransform",
    "AugInput",
    "Augmentation",
    "AugmentationList",
    "BlendTransform",
    "ColorTransform",
    "CropTransform",
    "ExtentTransform",
    "FixedSizeCrop",
    "GridSampleTransform",
    "HFlipTransform",
    "MinIoURandomCrop",
    "NoOpTransform",
    "PILColorTransform",
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
    "ScaleTransform",
    "TorchvisionAugmentation",
    "TorchvisionTransform",
    "Transform",
    "TransformList",
    "VFlipTransform",
    "apply_augmentations",
]
