"""Transforms that change the size of an image."""

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from .resampling import BILINEAR, NEAREST, resize_array, resize_nearest
from .transform import Transform, as_float_coords


def _scaled(coords: np.ndarray, scale_x: float, scale_y: float) -> np.ndarray:
    moved = as_float_coords(coords)
    moved[:, 0] *= scale_x
    moved[:, 1] *= scale_y
    return moved


class ResizeTransform(Transform):
    """Resize an image, with antialiasing for uint8 as in Pillow.

    Args:
        h: Height of the input.
        w: Width of the input.
        new_h: Height of the result.
        new_w: Width of the result.
        interp: One of Pillow's resampling constants; bilinear by default.
    """

    def __init__(self, h: int, w: int, new_h: int, new_w: int, interp: int | None = None) -> None:
        if min(h, w, new_h, new_w) < 1:
            raise ValueError(f"ResizeTransform: sizes must be positive, got {(h, w)} to {(new_h, new_w)}")
        self.h, self.w, self.new_h, self.new_w = h, w, new_h, new_w
        self.interp = BILINEAR if interp is None else interp

    def apply_image(self, img: np.ndarray, interp: int | None = None) -> np.ndarray:
        """Resize `(h, w)`, `(h, w, C)` or `(N, h, w, C)`.

        Raises:
            ValueError: If the image does not have the size `(h, w)`.
        """
        if img.ndim == 4:
            return np.stack([self.apply_image(one, interp) for one in img])
        if img.shape[:2] != (self.h, self.w):
            raise ValueError(f"ResizeTransform.apply_image: expected an image of {self.h}x{self.w}, got {img.shape}")
        if (self.h, self.w) == (self.new_h, self.new_w):
            return img
        return resize_array(img, self.new_h, self.new_w, self.interp if interp is None else interp)

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        """Resize an `(h, w)` map; every new pixel has the label at its center."""
        return self.apply_image(segmentation, interp=NEAREST)

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Scale `(N, 2)` points."""
        return _scaled(coords, self.new_w / self.w, self.new_h / self.h)

    def apply_rotated_box(self, rotated_boxes: np.ndarray) -> np.ndarray:
        """Scale `(N, 5)` rotated boxes.

        If the scales differ, a rotated rectangle becomes a parallelogram; the result has the lengths of its sides and
        the angle of one side. The result is exact if the scales are equal.
        """
        scale_x, scale_y = self.new_w / self.w, self.new_h / self.h
        moved = _scaled(rotated_boxes, scale_x, scale_y)
        angle = np.deg2rad(moved[:, 4])
        cosine, sine = np.cos(angle), np.sin(angle)
        moved[:, 2] *= np.hypot(scale_x * cosine, scale_y * sine)
        moved[:, 3] *= np.hypot(scale_x * sine, scale_y * cosine)
        moved[:, 4] = np.rad2deg(np.arctan2(scale_x * sine, scale_y * cosine))
        return moved

    def inverse(self) -> Transform:
        """Return the transform to the original size."""
        return ResizeTransform(self.new_h, self.new_w, self.h, self.w, self.interp)


class ScaleTransform(Transform):
    """Resize images with `torch.nn.functional.interpolate`, without antialiasing.

    Args:
        h: Height of the input.
        w: Width of the input.
        new_h: Height of the result.
        new_w: Width of the result.
        interp: `nearest`, `bilinear`, `bicubic` or `area`; None is `nearest`.
    """

    def __init__(self, h: int, w: int, new_h: int, new_w: int, interp: str | None = None) -> None:
        self.h, self.w, self.new_h, self.new_w = h, w, new_h, new_w
        self.interp = "nearest" if interp is None else interp
        if self.interp not in ("nearest", "bilinear", "bicubic", "area"):
            raise ValueError(f"ScaleTransform: interp must be nearest, bilinear, bicubic or area, got {self.interp!r}")

    def apply_image(self, img: np.ndarray, interp: str | None = None) -> np.ndarray:
        """Resize `(h, w)`, `(h, w, C)` or `(N, h, w, C)`."""
        batch = img.reshape((-1, *img.shape[-3:]) if img.ndim == 4 else (1, *img.shape[:2], -1))
        if batch.shape[1:3] != (self.h, self.w):
            raise ValueError(f"ScaleTransform.apply_image: expected an image of {self.h}x{self.w}, got {img.shape}")
        tensor = torch.from_numpy(np.ascontiguousarray(batch)).permute(0, 3, 1, 2)
        mode = self.interp if interp is None else interp
        size = (self.new_h, self.new_w)
        floating = tensor if tensor.is_floating_point() else tensor.float()
        if mode in ("bilinear", "bicubic"):
            scaled = functional.interpolate(floating, size, mode=mode, align_corners=False)
        else:
            scaled = functional.interpolate(floating, size, mode=mode)
        array = scaled.permute(0, 2, 3, 1).numpy()
        if not np.issubdtype(img.dtype, np.floating) and img.dtype != np.bool_:
            limits = np.iinfo(img.dtype)
            array = np.clip(np.rint(array), limits.min, limits.max)
        shape = (img.shape[0], *size, img.shape[-1]) if img.ndim == 4 else (*size, *img.shape[2:])
        return array.astype(img.dtype).reshape(shape)

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        """Resize an `(h, w)` map; every new pixel has the label at its center."""
        return resize_nearest(segmentation, self.new_h, self.new_w)

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Scale `(N, 2)` points."""
        return _scaled(coords, self.new_w / self.w, self.new_h / self.h)

    def inverse(self) -> Transform:
        """Return the transform to the original size."""
        return ScaleTransform(self.new_h, self.new_w, self.h, self.w, self.interp)


class ExtentTransform(Transform):
    """Crop a rectangle, which may extend beyond the image, and resize it to the output size.

    Args:
        src_rect: `(x0, y0, x1, y1)` in continuous coordinates of the input.
        output_size: `(h, w)` of the result.
        interp: Pillow's nearest (0), bilinear (2) or bicubic (3).
        fill: Value of pixels outside the input.
    """

    def __init__(
        self,
        src_rect: tuple[float, float, float, float],
        output_size: tuple[int, int],
        interp: int = BILINEAR,
        fill: int = 0,
    ) -> None:
        self.src_rect, self.output_size, self.interp, self.fill = src_rect, output_size, interp, fill

    def apply_image(self, img: np.ndarray, interp: int | None = None) -> np.ndarray:
        """Resize the rectangle of an `(H, W)` or `(H, W, C)` image."""
        return self._extent(img, self.interp if interp is None else interp, self.fill)

    def _extent(self, img: np.ndarray, interp: int, fill: int) -> np.ndarray:
        if img.ndim == 3 and img.shape[2] not in (3, 4):
            return np.stack([self._extent(plane, interp, fill) for plane in np.moveaxis(img, -1, 0)], axis=-1)
        dtype = img.dtype
        if dtype == np.bool_ or (dtype != np.uint8 and np.issubdtype(dtype, np.integer)):
            img = img.astype(np.uint8 if dtype == np.bool_ else np.int32)
        h, w = self.output_size
        source = Image.fromarray(np.ascontiguousarray(img))
        color = (fill,) * len(source.getbands()) if len(source.getbands()) > 1 else fill
        moved = source.transform((w, h), Image.Transform.EXTENT, tuple(self.src_rect), interp, fillcolor=color)
        return np.asarray(moved).astype(dtype)

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        """Resize the rectangle of an `(H, W)` map; labels are never blended."""
        return self._extent(segmentation, NEAREST, self.fill)

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Map `(N, 2)` points to the coordinates of the result."""
        x0, y0, x1, y1 = self.src_rect
        h, w = self.output_size
        moved = as_float_coords(coords)
        moved -= np.array([x0, y0], dtype=moved.dtype)
        moved *= np.array([w / (x1 - x0), h / (y1 - y0)], dtype=moved.dtype)
        return moved
