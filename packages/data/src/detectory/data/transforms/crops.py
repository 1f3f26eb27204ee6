"""Transforms that crop or pad an image."""

import numpy as np

from .clipping import polygon_in_rectangle
from .transform import Transform, as_float_coords


def _shifted(coords: np.ndarray, dx: float, dy: float) -> np.ndarray:
    moved = as_float_coords(coords)
    moved[:, 0] += dx
    moved[:, 1] += dy
    return moved


class CropTransform(Transform):
    """Crop to `img[y0 : y0 + h, x0 : x0 + w]`.

    Args:
        x0: Left column of the window.
        y0: Upper row of the window.
        w: Width of the window; the part outside the image is cut.
        h: Height of the window.
        orig_w: Width of the image; only `inverse` needs it.
        orig_h: Height of the image; only `inverse` needs it.
    """

    def __init__(self, x0: int, y0: int, w: int, h: int, orig_w: int | None = None, orig_h: int | None = None) -> None:
        if (orig_w is None) != (orig_h is None):
            raise ValueError("CropTransform: orig_w and orig_h must be both given or both omitted")
        self.x0, self.y0, self.w, self.h = x0, y0, w, h
        self.orig_w, self.orig_h = orig_w, orig_h

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        """Crop `(H, W)`, `(H, W, C)` or `(N, H, W, C)`; the result is a view."""
        rows, columns = slice(self.y0, self.y0 + self.h), slice(self.x0, self.x0 + self.w)
        return img[rows, columns] if img.ndim <= 3 else img[..., rows, columns, :]

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Move `(N, 2)` points into the window's coordinates; nothing is clipped."""
        return _shifted(coords, -self.x0, -self.y0)

    def apply_rotated_box(self, rotated_boxes: np.ndarray) -> np.ndarray:
        """Move `(N, 5)` rotated boxes into the window's coordinates; nothing is clipped."""
        return _shifted(rotated_boxes, -self.x0, -self.y0)

    def apply_polygons(self, polygons: list[np.ndarray]) -> list[np.ndarray]:
        """Clip polygons to the window; polygons without area inside are removed."""
        kept = []
        for polygon in polygons:
            points = as_float_coords(polygon).reshape(-1, 2)
            inside = polygon_in_rectangle(points, self.x0, self.y0, self.x0 + self.w, self.y0 + self.h)
            if inside is not None:
                kept.append(self.apply_coords(inside))
        return kept

    def inverse(self) -> Transform:
        """Return the transform that pads the window to the original size.

        Raises:
            ValueError: If the constructor got no `orig_w` and `orig_h`.
        """
        if self.orig_w is None or self.orig_h is None:
            raise ValueError("CropTransform.inverse: orig_w and orig_h must be given to the constructor")
        w, h = min(self.w, self.orig_w - self.x0), min(self.h, self.orig_h - self.y0)
        return PadTransform(self.x0, self.y0, self.orig_w - self.x0 - w, self.orig_h - self.y0 - h, w, h)


class PadTransform(Transform):
    """Pad an image with a constant value.

    Args:
        x0: Columns added on the left.
        y0: Rows added on top.
        x1: Columns added on the right.
        y1: Rows added at the bottom.
        orig_w: Width before padding; only `inverse` needs it.
        orig_h: Height before padding; only `inverse` needs it.
        pad_value: Value of added pixels of images.
        seg_pad_value: Value of added pixels of segmentations.
    """

    def __init__(
        self,
        x0: int,
        y0: int,
        x1: int,
        y1: int,
        orig_w: int | None = None,
        orig_h: int | None = None,
        pad_value: float = 0,
        seg_pad_value: int = 0,
    ) -> None:
        if min(x0, y0, x1, y1) < 0:
            raise ValueError(f"PadTransform: padding must not be negative, got {(x0, y0, x1, y1)}")
        self.x0, self.y0, self.x1, self.y1 = x0, y0, x1, y1
        self.orig_w, self.orig_h = orig_w, orig_h
        self.pad_value, self.seg_pad_value = pad_value, seg_pad_value

    def _padded(self, img: np.ndarray, value: float) -> np.ndarray:
        rows, columns = (self.y0, self.y1), (self.x0, self.x1)
        widths = {2: [rows, columns], 3: [rows, columns, (0, 0)]}.get(img.ndim, [(0, 0), rows, columns, (0, 0)])
        return np.pad(img, widths, mode="constant", constant_values=value)

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        """Pad `(H, W)`, `(H, W, C)` or `(N, H, W, C)` with `pad_value`."""
        return self._padded(img, self.pad_value)

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        """Pad `(H, W)` with `seg_pad_value`."""
        return self._padded(segmentation, self.seg_pad_value)

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Move `(N, 2)` points by the left and upper padding."""
        return _shifted(coords, self.x0, self.y0)

    def apply_rotated_box(self, rotated_boxes: np.ndarray) -> np.ndarray:
        """Move `(N, 5)` rotated boxes by the left and upper padding."""
        return _shifted(rotated_boxes, self.x0, self.y0)

    def inverse(self) -> Transform:
        """Return the transform that removes the padding.

        Raises:
            ValueError: If the constructor got no `orig_w` and `orig_h`.
        """
        if self.orig_w is None or self.orig_h is None:
            raise ValueError("PadTransform.inverse: orig_w and orig_h must be given to the constructor")
        width, height = self.orig_w + self.x0 + self.x1, self.orig_h + self.y0 + self.y1
        return CropTransform(self.x0, self.y0, self.orig_w, self.orig_h, orig_w=width, orig_h=height)
