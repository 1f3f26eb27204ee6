"""Rotations, affine transforms and sampling on arbitrary grids."""

import numpy as np
import torch
from torch.nn import functional

from .transform import Transform, as_float_coords

_OPENCV_NAMES = {0: "nearest", 1: "bilinear", 2: "bicubic"}


def _mode(interp: int | str | None, owner: str) -> str:
    """Return the name of an interpolation, given as a name or OpenCV's code 0, 1, 2; None is bilinear."""
    mode = "bilinear" if interp is None else _OPENCV_NAMES.get(interp, "") if isinstance(interp, int) else interp
    if mode not in _OPENCV_NAMES.values():
        raise ValueError(f"{owner}: interp must be nearest, bilinear, bicubic or OpenCV's 0, 1, 2, got {interp!r}")
    return mode


def sample_image(img: np.ndarray, grid: torch.Tensor, mode: str) -> np.ndarray:
    """Sample an image at the positions of a grid; positions outside the image yield zero.

    Args:
        img: `(H, W)`, `(H, W, C)` or `(N, H, W, C)`.
        grid: `(1 or N, h, w, 2)` of `(x, y)` in [-1, 1], where -1 and 1 are the outer borders of the image.
        mode: `nearest`, `bilinear` or `bicubic`.

    Returns:
        The sampled image in the dtype of `img`; integers are rounded.
    """
    batch = img if img.ndim == 4 else img.reshape(1, *img.shape[:2], -1)
    tensor = torch.from_numpy(np.ascontiguousarray(batch)).permute(0, 3, 1, 2)
    tensor = tensor if tensor.dtype == torch.float64 else tensor.to(torch.float32)
    grid = grid.to(tensor.dtype).expand(len(tensor), -1, -1, -1)
    sampled = functional.grid_sample(tensor, grid, mode=mode, padding_mode="zeros", align_corners=False)
    array = sampled.permute(0, 2, 3, 1).numpy()
    if not np.issubdtype(img.dtype, np.floating):
        low, high = (0, 1) if img.dtype == np.bool_ else (np.iinfo(img.dtype).min, np.iinfo(img.dtype).max)
        array = np.clip(np.rint(array), low, high)
    h, w = grid.shape[1:3]
    return array.astype(img.dtype).reshape((*array.shape[:1], h, w, -1) if img.ndim == 4 else (h, w, *img.shape[2:]))


class AffineTransform(Transform):
    """Map points by `(x', y') = matrix @ (x, y, 1)`.

    Args:
        matrix: `(2, 3)`, in continuous coordinates of the image.
        size: `(h, w)` of the input image.
        new_size: `(h, w)` of the result.
        interp: `nearest`, `bilinear` or `bicubic`; None is bilinear.
    """

    def __init__(
        self,
        matrix: np.ndarray,
        size: tuple[int, int],
        new_size: tuple[int, int],
        interp: int | str | None = None,
    ) -> None:
        self.matrix = np.asarray(matrix, dtype=np.float64)
        if self.matrix.shape != (2, 3):
            raise ValueError(f"{type(self).__name__}: matrix must have shape (2, 3), got {self.matrix.shape}")
        self.size, self.new_size = size, new_size
        self.interp = interp
        _mode(interp, type(self).__name__)

    def _inverted(self) -> np.ndarray:
        return np.linalg.inv(np.vstack([self.matrix, [0, 0, 1]]))[:2]

    def _grid(self) -> torch.Tensor:
        """Return the source position of the center of each new pixel, in [-1, 1]."""
        x, y = np.meshgrid(np.arange(self.new_size[1]) + 0.5, np.arange(self.new_size[0]) + 0.5)
        back = self._inverted()
        source = np.stack([x, y], axis=-1) @ back[:, :2].T + back[:, 2]
        return torch.from_numpy(source * (2 / np.array([self.size[1], self.size[0]])) - 1)[None]

    def apply_image(self, img: np.ndarray, interp: int | str | None = None) -> np.ndarray:
        """Sample `(H, W)`, `(H, W, C)` or `(N, H, W, C)`; pixels outside the input are zero."""
        if img.size == 0:
            return img
        mode = _mode(self.interp if interp is None else interp, type(self).__name__)
        return sample_image(img, self._grid(), mode)

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        """Sample an `(H, W)` map; labels are never blended, pixels outside the input are zero."""
        return self.apply_image(segmentation.astype(np.float64), "nearest").astype(segmentation.dtype)

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Map `(N, 2)` points."""
        points = as_float_coords(coords).reshape(-1, 2)
        return (points @ self.matrix[:, :2].T + self.matrix[:, 2]).astype(points.dtype)

    def inverse(self) -> Transform:
        """Return the transform by the inverse matrix, to an image of the original size."""
        return AffineTransform(self._inverted(), self.new_size, self.size, self.interp)


class RotationTransform(AffineTransform):
    """Rotate an image counter-clockwise.

    Args:
        h: Height of the image.
        w: Width of the image.
        angle: Degrees, counter-clockwise in the displayed image.
        expand: Enlarge the result to contain the whole image; otherwise the size is kept and corners are cut.
        center: `(x, y)` of the fixed point, by default the center of the image; ignored with `expand`.
        interp: `nearest`, `bilinear`, `bicubic` or OpenCV's codes 0, 1, 2; bilinear by default.
    """

    def __init__(
        self,
        h: int,
        w: int,
        angle: float,
        expand: bool = True,
        center: tuple[float, float] | None = None,
        interp: int | str | None = None,
    ) -> None:
        self.h, self.w, self.angle, self.expand = h, w, angle, expand
        middle = np.array([w / 2, h / 2])
        self.center = middle if center is None else np.asarray(center, dtype=np.float64)
        cosine, sine = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
        if expand:
            extent = [h * abs(cosine) + w * abs(sine), h * abs(sine) + w * abs(cosine)]
            self.bound_h, self.bound_w = (int(np.rint(side)) for side in extent)
        else:
            self.bound_h, self.bound_w = h, w
        super().__init__(self.create_rotation_matrix(), (h, w), (self.bound_h, self.bound_w), interp)

    def create_rotation_matrix(self, offset: float = 0) -> np.ndarray:
        """Return the `(2, 3)` matrix of the rotation.

        Args:
            offset: 0 for continuous coordinates, -0.5 for pixel indices.
        """
        cosine, sine = np.cos(np.deg2rad(self.angle)), np.sin(np.deg2rad(self.angle))
        turn = np.array([[cosine, sine], [-sine, cosine]])
        center = self.center + offset
        shift = center - turn @ center
        if self.expand:
            middle = np.array([self.w / 2, self.h / 2]) + offset
            shift = np.array([self.bound_w / 2, self.bound_h / 2]) + offset - turn @ middle
        return np.concatenate([turn, shift[:, None]], axis=1)

    def apply_image(self, img: np.ndarray, interp: int | str | None = None) -> np.ndarray:
        """Rotate `(h, w)`, `(h, w, C)` or `(N, h, w, C)`; new corners are zero."""
        if img.size and img.shape[-3 if img.ndim == 4 else 0 :][:2] != (self.h, self.w):
            raise ValueError(f"RotationTransform.apply_image: expected {self.h}x{self.w}, got shape {img.shape}")
        return img if self.angle % 360 == 0 else super().apply_image(img, interp)

    def apply_rotated_box(self, rotated_boxes: np.ndarray) -> np.ndarray:
        """Rotate `(N, 5)` boxes: rotate their centers and add the angle."""
        moved = as_float_coords(rotated_boxes)
        moved[:, :2] = self.apply_coords(moved[:, :2])
        moved[:, 4] = (moved[:, 4] + self.angle + 180) % 360 - 180
        return moved


class GridSampleTransform(Transform):
    """Sample the image at arbitrary positions; coordinates cannot be transformed.

    Args:
        grid: `(N, h, w, 2)` of `(x, y)` in [-1, 1] over the input's width and height.
        interp: `nearest` or `bilinear`.
    """

    def __init__(self, grid: np.ndarray, interp: str) -> None:
        self.grid, self.interp = grid, _mode(interp, "GridSampleTransform")

    def apply_image(self, img: np.ndarray, interp: str | None = None) -> np.ndarray:
        """Sample `(H, W)`, `(H, W, C)` or `(N, H, W, C)`; positions outside the image yield zero."""
        mode = _mode(self.interp if interp is None else interp, "GridSampleTransform")
        return sample_image(img, torch.as_tensor(self.grid), mode)

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        """Sample an `(H, W)` map; labels are never blended."""
        sampled = self.apply_image(segmentation.astype(np.float64), "nearest")
        return sampled.astype(segmentation.dtype)

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Raise TypeError: the inverse of the grid is unknown."""
        raise TypeError("GridSampleTransform.apply_coords: coordinates cannot be transformed by a sampling grid")
