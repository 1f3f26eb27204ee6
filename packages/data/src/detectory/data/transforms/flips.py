"""Horizontal and vertical flips."""

import numpy as np

from .transform import Transform, as_float_coords


class HFlipTransform(Transform):
    """Flip horizontally: `x` becomes `width - x` (not `width - 1 - x`: coordinates are continuous).

    Args:
        width: Width of the image in pixels.
    """

    def __init__(self, width: int) -> None:
        self.width = width

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        """Flip `(H, W)`, `(H, W, C)` or `(N, H, W, C)`; the result is a view."""
        return np.flip(img, axis=1 if img.ndim <= 3 else -2)

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Flip `(N, 2)` points."""
        moved = as_float_coords(coords)
        moved[:, 0] = self.width - moved[:, 0]
        return moved

    def apply_rotated_box(self, rotated_boxes: np.ndarray) -> np.ndarray:
        """Flip `(N, 5)` boxes `(x_center, y_center, width, height, angle in degrees)`; the angle changes sign."""
        moved = as_float_coords(rotated_boxes)
        moved[:, 0] = self.width - moved[:, 0]
        moved[:, 4] = -moved[:, 4]
        return moved

    def inverse(self) -> Transform:
        """Return the transform itself: a flip is its own inverse."""
        return self


class VFlipTransform(Transform):
    """Flip vertically: `y` becomes `height - y`.

    Args:
        height: Height of the image in pixels.
    """

    def __init__(self, height: int) -> None:
        self.height = height

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        """Flip `(H, W)`, `(H, W, C)` or `(N, H, W, C)`; the result is a view."""
        return np.flip(img, axis=0 if img.ndim <= 3 else -3)

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Flip `(N, 2)` points."""
        moved = as_float_coords(coords)
        moved[:, 1] = self.height - moved[:, 1]
        return moved

    def apply_rotated_box(self, rotated_boxes: np.ndarray) -> np.ndarray:
        """Flip `(N, 5)` boxes; boxes are symmetric, so it suffices to negate the angle."""
        moved = as_float_coords(rotated_boxes)
        moved[:, 1] = self.height - moved[:, 1]
        moved[:, 4] = -moved[:, 4]
        return moved

    def inverse(self) -> Transform:
        """Return the transform itself: a flip is its own inverse."""
        return self
