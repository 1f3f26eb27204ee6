"""Transforms under Detectron2's module path."""

from abc import ABCMeta

import numpy as np

from detectory.data.transforms import (
    BlendTransform,
    ColorTransform,
    CropTransform,
    ExtentTransform,
    HFlipTransform,
    NoOpTransform,
    PadTransform,
    PILColorTransform,
    ResizeTransform,
    RotationTransform,
    Transform,
    TransformList,
    VFlipTransform,
)

__all__ = [
    "BlendTransform",
    "ColorTransform",
    "CropTransform",
    "ExtentTransform",
    "HFlip_rotated_box",
    "NoOpTransform",
    "PILColorTransform",
    "PadTransform",
    "ResizeTransform",
    "Resize_rotated_box",
    "RotationTransform",
    "Transform",
    "TransformList",
    "VFlipTransform",
]


def HFlip_rotated_box(transform: HFlipTransform, rotated_boxes: np.ndarray) -> np.ndarray:
    """Return rotated boxes `(N, 5)` flipped with the image."""
    return transform.apply_rotated_box(rotated_boxes)


def Resize_rotated_box(transform: ResizeTransform, rotated_boxes: np.ndarray) -> np.ndarray:
    """Return rotated boxes `(N, 5)` resized with the image."""
    return transform.apply_rotated_box(rotated_boxes)


def _register_with_fvcore() -> None:
    """Make transforms pass the `isinstance` checks of an installed fvcore."""
    try:
        from fvcore.transforms.transform import Transform as FvcoreTransform
    except ImportError:
        return
    if isinstance(FvcoreTransform, ABCMeta):
        FvcoreTransform.register(Transform)


_register_with_fvcore()
