"""Photometric transforms, which change pixel values but not coordinates."""

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from .transform import NoOpTransform, Transform


class PhotometricTransform(Transform):
    """Base class of photometric transforms: coordinates are unchanged, the inverse is the identity."""

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Return the coordinates unchanged."""
        return coords

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        """Return the segmentation unchanged."""
        return segmentation

    def apply_polygons(self, polygons: list[np.ndarray]) -> list[np.ndarray]:
        """Return the polygons unchanged."""
        return polygons

    def apply_rotated_box(self, rotated_boxes: np.ndarray) -> np.ndarray:
        """Return the rotated boxes unchanged."""
        return rotated_boxes

    def inverse(self) -> Transform:
        """Return the identity: inverses only apply to coordinates."""
        return NoOpTransform()


class BlendTransform(PhotometricTransform):
    """Blend the image with another image: `src_weight * src_image + dst_weight * image`.

    uint8 images are blended in float32, clipped to [0, 255] and truncated; other dtypes are not clipped.

    Args:
        src_image: An array or number that broadcasts against the image.
        src_weight: Weight of `src_image`.
        dst_weight: Weight of the image that the transform is applied to.
    """

    def __init__(self, src_image: np.ndarray | float, src_weight: float, dst_weight: float) -> None:
        self.src_image, self.src_weight, self.dst_weight = src_image, src_weight, dst_weight

    def apply_image(self, img: np.ndarray, interp: str | None = None) -> np.ndarray:
        """Blend the image; `interp` is ignored and exists for the interface of resizing transforms."""
        del interp
        if img.dtype != np.uint8:
            return (self.src_weight * self.src_image + self.dst_weight * img).astype(img.dtype)
        mixed = self.src_weight * self.src_image + self.dst_weight * img.astype(np.float32)
        return np.clip(mixed, 0, 255).astype(np.uint8)


class ColorTransform(PhotometricTransform):
    """Apply a function to the pixels.

    Args:
        op: Function of an image array that returns an image array of the same height and width.
    """

    def __init__(self, op: Callable[[Any], Any]) -> None:
        if not callable(op):
            raise TypeError(f"{type(self).__name__}: op must be callable, got {type(op).__name__}")
        self.op = op

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        """Call `op` with the array."""
        return self.op(img)


class PILColorTransform(ColorTransform):
    """Apply a function of Pillow images.

    Args:
        op: Function of a `PIL.Image.Image` that returns an image, for example `ImageOps.equalize`.
    """

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        """Call `op` with the image as a Pillow image."""
        return np.asarray(self.op(Image.fromarray(np.ascontiguousarray(img))))
