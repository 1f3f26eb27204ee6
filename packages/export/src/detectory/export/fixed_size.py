"""Images for graphs with a fixed input size: resized to fit and padded at the bottom and on the right."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from detectory.data.transforms import Augmentation, ResizeTransform, Transform


class FitWithin(Augmentation):
    """Scale an image to the largest size that fits into a box; the aspect ratio is kept.

    Args:
        height: Height of the box, pixels.
        width: Width of the box, pixels.
    """

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width

    def get_transform(self, image: np.ndarray) -> Transform:
        """Return the resize transform for an image."""
        height, width = image.shape[:2]
        scale = min(self.height / height, self.width / width)
        new = min(max(round(height * scale), 1), self.height), min(max(round(width * scale), 1), self.width)
        return ResizeTransform(height, width, *new)


def pad_to_size(image: Tensor, height: int, width: int, pixel_mean: Sequence[float]) -> Tensor:
    """Pad an image (C, H, W) with the mean color to (C, height, width).

    Normalized, the padding is zero, as in a padded batch.

    Raises:
        ValueError: If the image is larger.
    """
    if image.shape[1] > height or image.shape[2] > width:
        raise ValueError(
            f"ExportedModel: images must fit into {height}x{width} pixels, got {image.shape[1]}x{image.shape[2]}"
        )
    padded = image.new_tensor(pixel_mean, dtype=torch.float32)[:, None, None].repeat(1, height, width)
    padded[:, : image.shape[1], : image.shape[2]] = image
    return padded
