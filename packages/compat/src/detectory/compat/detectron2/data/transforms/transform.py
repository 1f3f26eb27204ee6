"""Transforms under Detectron2's module path."""

import numpy as np

from detectory.data.transforms import (
    ColorTransform,
    ExtentTransform,
    HFlipTransform,
    PILColorTransform,
    ResizeTransform,
    RotationTransform,
)

__all__ = [
    "ColorTransform",
    "ExtentTransform",
    "HFlip_rotated_box",
    "PILColorTransform",
    "ResizeTransform",
    "Resize_rotated_box",
    "RotationTransform",
]


def HFlip_rotated_box(transform: HFlipTransform, rotated_boxes: np.ndarray) -> np.ndarray:
    """Return rotated boxes `(N, 5)` flipped with the image."""
    return transform.apply_rotated_box(rotated_boxes)


def Resize_rotated_box(transform: ResizeTransform, rotated_boxes: np.ndarray) -> np.ndarray:
    """Return rotated boxes `(N, 5)` resized with the image."""
    return transform.apply_rotated_box(rotated_boxes)
