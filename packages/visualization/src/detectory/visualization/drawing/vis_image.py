"""Output image of a visualizer and conversion of images to RGB arrays."""

import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from .canvas import Canvas


def rgb_array(image: np.ndarray | torch.Tensor | Image.Image) -> np.ndarray:
    """Convert an image to an (H, W, 3) uint8 array.

    Args:
        image: A PIL image of any mode, or an array or tensor of any numeric type with values in [0, 255] (other values
            are clipped): RGB (H, W, 3), RGBA (H, W, 4), gray (H, W) or (H, W, 1). Opacity is ignored.

    Raises:
        ValueError: If the shape is not supported.
    """
    if isinstance(image, Image.Image):
        return np.array(image.convert("RGB"))
    array = image.detach().cpu().numpy() if isinstance(image, torch.Tensor) else np.asarray(image)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise ValueError(f"rgb_array: image must be (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), got {array.shape}")
    array = np.repeat(array, 3, axis=2) if array.shape[2] == 1 else array[:, :, :3]
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * 255
    return array.copy() if array.dtype == np.uint8 else np.clip(np.nan_to_num(array), 0, 255).astype(np.uint8)


class VisImage:
    """An image with its drawings, scaled by `scale`.

    Args:
        img: (H, W, 3) RGB in [0, 255]; grayscale and RGBA are accepted too.
        scale: Scale factor of the output, positive.

    Attributes:
        img: The unscaled image without drawings, (H, W, 3) uint8.
        width: Width of `img` in pixels.
        height: Height of `img` in pixels.
        scale: Scale factor of the output.
        canvas: Canvas in coordinates of the scaled image.

    Raises:
        ValueError: If `scale` is not positive.
    """

    canvas: Canvas

    def __init__(self, img: np.ndarray, scale: float = 1.0) -> None:
        if not scale > 0:
            raise ValueError(f"VisImage: scale must be positive, got {scale}")
        self.scale = scale
        self.reset_image(img)

    def reset_image(self, img: np.ndarray) -> None:
        """Discard all drawings and replace the image by `img`, (H, W, 3) RGB in [0, 255]."""
        self.img = rgb_array(img)
        self.height, self.width = self.img.shape[:2]
        image = Image.fromarray(self.img)
        if self.scale != 1:
            # The epsilon prevents 0.1 * 30 from being truncated to 2.
            size = [max(int(side * self.scale + 1e-2), 1) for side in (self.width, self.height)]
            image = image.resize((size[0], size[1]), Image.Resampling.BICUBIC)
        self.canvas = Canvas(image)

    def get_image(self) -> np.ndarray:
        """Return a copy of the image with its drawings, (int(H * scale), int(W * scale), 3) uint8 RGB."""
        return np.array(self.canvas.image)

    def save(self, filepath: str | os.PathLike) -> None:
        """Write the image in the format of the file suffix and create missing folders."""
        path = Path(filepath)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.canvas.image.save(path)
