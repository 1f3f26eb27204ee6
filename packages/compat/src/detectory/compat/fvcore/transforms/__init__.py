"""Transforms under fvcore's module path."""

from detectory.compat.fvcore.transforms import transform, transform_util
from detectory.compat.fvcore.transforms.transform import (
    BlendTransform,
    CropTransform,
    GridSampleTransform,
    HFlipTransform,
    NoOpTransform,
    PadTransform,
    ScaleTransform,
    Transform,
    TransformList,
    VFlipTransform,
)

__all__ = [
    "BlendTransform",
    "CropTransform",
    "GridSampleTransform",
    "HFlipTransform",
    "NoOpTransform",
    "PadTransform",
    "ScaleTransform",
    "Transform",
    "TransformList",
    "VFlipTransform",
    "transform",
    "transform_util",
]
