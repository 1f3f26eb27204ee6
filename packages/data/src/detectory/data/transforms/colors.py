"""Photometric transforms: pixels change, places do not."""

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from .transform import NoOpTransform, Transform


class PhotometricTransform(Transform):
    """What all photometric transforms share: geometry stays, the inverse does nothing."""

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Return the coordinates as they are."""
        return coords

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        """Return the segmentation as it is."""
        return segmentation

    def apply_polygons(self, polygons: list[np.ndarray]) -> list[np.ndarray]:
        """Return the polygons as they are."""
        return polygons

    def apply_rotated_box(self, rotated_boxes: np.ndarray) -> np.ndarray:
        """Return the rotated boxes as they are."""
        return rotated_boxes

    def inverse(self) -> Transform:
        """Do nothing: an inverse undoes geometry only."""
        return NoOpTransform()


class BlendTransform(PhotometricTransform):
    """Mix the image with another one: `src_weight * src_image + dst_weight * image`.

    uint8 images are computed in float32, clipped to [0, 255] and truncated; others keep their dtype unclipped.

    Args:
        src_image: Anything that broadcasts against the image.
        src_weight: Weight of `src_image`.
        dst_weight: Weight of the image that the transform is applied to.
    """

    def __init__(self, src_image: np.ndarray | float, src_weight: float, dst_weight: float) -> None:
        self.src_image, self.src_weight, self.dst_weight = src_image, src_weight, dst_weight

    def apply_image(self, img: np.ndarray, interp: str | None = None) -> np.ndarray:
        """Mix; `interp` has no meaning here and is accepted because resizing transforms have it."""
        del interp
        if img.dtype != np.uint8:
            return (self.src_weight * self.src_image + self.dst_weight * img).astype(img.dtype)
        mixed = self.src_weight * self.src_image + self.dst_weight * img.astype(np.float32)
        return np.clip(mixed, 0, 255).astype(np.uint8)


class ColorTransform(PhotometricTransform):
    """Apply any function of pixels.

    Args:
        op: Takes an image array, returns an image array of the same height and width.
    """

    def __init__(self, op: Callable[[Any], Any]) -> None:
        if not callable(op):
            raise TypeError(f"{type(self).__name__}: op must be callable, got {type(op).__name__}")
        self.op = op

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        """Call `op` with the array."""
        return self.op(img)


class PILColorTransform(ColorTransform):
    """Apply any function of Pillow images.

    Args:
        op: Takes and returns a `PIL.Image.Image`, for example `ImageOps.equalize`.
    """

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        """Call `op` with the image as a Pillow image."""
        return np.asarray(self.op(Image.fromarray(np.ascontiguousarray(img))))
