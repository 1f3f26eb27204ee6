"""Augmentations that resize images."""

import sys
from collections.abc import Sequence

import numpy as np

from detectory.data.transforms.augmentation import Augmentation
from detectory.data.transforms.resampling import BILINEAR
from detectory.data.transforms.resize import ResizeTransform
from detectory.data.transforms.transform import NoOpTransform, Transform


class Resize(Augmentation):
    """Resize to one fixed size.

    Args:
        shape: `(h, w)`, or one number for a square.
        interp: One of Pillow's resampling constants.
    """

    def __init__(self, shape: int | tuple[int, int], interp: int = BILINEAR) -> None:
        self.shape = (shape, shape) if isinstance(shape, int) else tuple(shape)
        self.interp = interp

    def get_transform(self, image: np.ndarray) -> Transform:
        """Return the transform from the size of this image."""
        return ResizeTransform(image.shape[0], image.shape[1], self.shape[0], self.shape[1], self.interp)


class RandomResize(Augmentation):
    """Resize to a random size of a list.

    Args:
        shape_list: The sizes `(h, w)`.
        interp: One of Pillow's resampling constants.
    """

    def __init__(self, shape_list: Sequence[tuple[int, int]], interp: int = BILINEAR) -> None:
        self.shape_list, self.interp = shape_list, interp

    def get_transform(self, image: np.ndarray) -> Transform:
        """Return a resize to a random size."""
        h, w = self.shape_list[np.random.choice(len(self.shape_list))]
        return ResizeTransform(image.shape[0], image.shape[1], h, w, self.interp)


class ResizeShortestEdge(Augmentation):
    """Scale the shorter side to a random length, with the longer side at most `max_size`; the aspect ratio is kept.

    Args:
        short_edge_length: `[min, max]` for `"range"`, any list of lengths for `"choice"`, or one number.
            A length of 0 keeps the size of the image.
        max_size: Upper limit of the longer side.
        sample_style: `"range"` draws an integer from the interval, both ends included; `"choice"` one of the list.
        interp: One of Pillow's resampling constants.
    """

    def __init__(
        self,
        short_edge_length: int | Sequence[int],
        max_size: int = sys.maxsize,
        sample_style: str = "range",
        interp: int = BILINEAR,
    ) -> None:
        if sample_style not in ("range", "choice"):
            raise ValueError(f"ResizeShortestEdge: sample_style must be 'range' or 'choice', got {sample_style!r}")
        if isinstance(short_edge_length, int):
            short_edge_length = (short_edge_length, short_edge_length)
        if sample_style == "range" and len(short_edge_length) != 2:
            raise ValueError(
                f"ResizeShortestEdge: short_edge_length must be [min, max] for 'range', got {short_edge_length!r}"
            )
        self.is_range = sample_style == "range"
        self.short_edge_length, self.max_size = short_edge_length, max_size
        self.sample_style, self.interp = sample_style, interp

    def get_transform(self, image: np.ndarray) -> Transform:
        """Return a resize to a random length."""
        h, w = image.shape[:2]
        if self.is_range:
            size = np.random.randint(self.short_edge_length[0], self.short_edge_length[1] + 1)
        else:
            size = np.random.choice(self.short_edge_length)
        if size == 0:
            return NoOpTransform()
        new_h, new_w = self.get_output_shape(h, w, int(size), self.max_size)
        return ResizeTransform(h, w, new_h, new_w, self.interp)

    @staticmethod
    def get_output_shape(oldh: int, oldw: int, short_edge_length: int, max_size: int) -> tuple[int, int]:
        """Return the new `(h, w)`, rounded half up.

        Args:
            oldh: Height of the image.
            oldw: Width of the image.
            short_edge_length: New length of the shorter side.
            max_size: Upper limit of the longer side.
        """
        scale = float(short_edge_length) / min(oldh, oldw)
        short = float(short_edge_length)
        new_h, new_w = (short, scale * oldw) if oldh < oldw else (scale * oldh, short)
        if max(new_h, new_w) > max_size:
            shrink = max_size * 1.0 / max(new_h, new_w)
            new_h, new_w = new_h * shrink, new_w * shrink
        return max(int(new_h + 0.5), 1), max(int(new_w + 0.5), 1)


class ResizeScale(Augmentation):
    """Scale an image to fit into a target box of random size; the aspect ratio is kept.

    Followed by `FixedSizeCrop`, this is large-scale jitter.

    Args:
        min_scale: Smallest scale of the target box.
        max_scale: Largest scale.
        target_height: Height of the target box at scale 1.
        target_width: Width of the target box at scale 1.
        interp: One of Pillow's resampling constants.

    Source: G. Ghiasi et al.: Simple Copy-Paste is a Strong Data Augmentation Method for Instance Segmentation, 2021.
    """

    def __init__(
        self, min_scale: float, max_scale: float, target_height: int, target_width: int, interp: int = BILINEAR
    ) -> None:
        self.min_scale, self.max_scale = min_scale, max_scale
        self.target_height, self.target_width, self.interp = target_height, target_width, interp

    def get_transform(self, image: np.ndarray) -> Transform:
        """Return a resize with a random scale."""
        h, w = image.shape[:2]
        scale = np.random.uniform(self.min_scale, self.max_scale)
        fit = min(scale * self.target_height / h, scale * self.target_width / w)
        new_h, new_w = (max(int(np.round(side * fit)), 1) for side in (h, w))
        return ResizeTransform(h, w, new_h, new_w, self.interp)
