"""Transforms and augmentations of images with their boxes, masks, keypoints and segmentations."""

from .affine import AffineTransform, GridSampleTransform, RotationTransform
from .augmentation import AugInput, Augmentation, AugmentationList, apply_augmentations
from .augmentations.color import RandomBrightness, RandomContrast, RandomLighting, RandomSaturation
from .augmentations.crop import (
    FixedSizeCrop,
    LargeScaleJitter,
    MinIoURandomCrop,
    RandomCrop,
    RandomCrop_CategoryAreaConstraint,
    RandomExtent,
)
from .augmentations.geometry import RandomApply, RandomFlip, RandomRotation
from .augmentations.pixels import (
    RandomAutoContrast,
    RandomBlur,
    RandomColorJitter,
    RandomEqualize,
    RandomGrayscale,
    RandomHue,
    RandomPosterize,
    RandomSolarize,
)
from .augmentations.resize import RandomResize, Resize, ResizeScale, ResizeShortestEdge
from .colors import BlendTransform, ColorTransform, PILColorTransform
from .crops import CropTransform, PadTransform
from .flips import HFlipTransform, VFlipTransform
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
    "LargeScaleJitter",
    "MinIoURandomCrop",
    "NoOpTransform",
    "PILColorTransform",
    "PadTransform",
    "RandomApply",
    "RandomAutoContrast",
    "RandomBlur",
    "RandomBrightness",
    "RandomColorJitter",
    "RandomContrast",
    "RandomCrop",
    "RandomCrop_CategoryAreaConstraint",
    "RandomEqualize",
    "RandomExtent",
    "RandomFlip",
    "RandomGrayscale",
    "RandomHue",
    "RandomLighting",
    "RandomPosterize",
    "RandomResize",
    "RandomRotation",
    "RandomSaturation",
    "RandomSolarize",
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
