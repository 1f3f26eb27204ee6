"""Detectron's resizing of images."""

import numpy as np

from detectory.compat.torchvision.resize import FloatScaleTransform
from detectory.data.transforms import Augmentation, Transform


class DetectronResize(Augmentation):
    """Scale the shorter side to a length, bilinearly without antialiasing and without rounding the pixels.

    Args:
        shorter: Length of the shorter side in pixels.
        longest: Maximum length of the longer side.
    """

    def __init__(self, shorter: int = 800, longest: int = 1333) -> None:
        self.shorter, self.longest = shorter, longest

    def get_transform(self, image: np.ndarray) -> Transform:
        """Return the transform from the size of this image."""
        height, width = image.shape[:2]
        scale = self.shorter / min(height, width)
        if round(scale * max(height, width)) > self.longest:
            scale = self.longest / max(height, width)
        return FloatScaleTransform(height, width, round(height * scale), round(width * scale), "bilinear")
