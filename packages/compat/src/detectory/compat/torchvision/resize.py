"""torchvision's resizing of images."""

import math

import numpy as np

from detectory.data.transforms import Augmentation, ScaleTransform, Transform


class FloatScaleTransform(ScaleTransform):
    """Bilinear resizing without antialiasing; the pixels of images are not rounded to whole numbers.

    Takes the arguments of `ScaleTransform`.
    """

    def apply_image(self, img: np.ndarray, interp: str | None = None) -> np.ndarray:
        """Resize `(h, w)`, `(h, w, C)` or `(N, h, w, C)`; the result is float32."""
        return super().apply_image(img.astype(np.float32), interp)


class TorchvisionResize(Augmentation):
    """The resizing inside torchvision's detectors.

    Args:
        min_size: New length of the shorter side in pixels; of several lengths one is chosen at random.
        max_size: Maximum length of the longer side. Lengths are rounded down.
        fixed_size: `(height, width)` that all images are resized to, without keeping the aspect ratio, instead of
            `min_size` and `max_size`.

    Raises:
        ValueError: If neither lengths nor a fixed size are specified.
    """

    def __init__(
        self,
        min_size: int | list[int] | None = None,
        max_size: int | None = None,
        fixed_size: tuple[int, int] | None = None,
    ) -> None:
        if fixed_size is None and (min_size is None or max_size is None):
            raise ValueError("TorchvisionResize: min_size and max_size are required without fixed_size")
        self.min_size, self.max_size, self.fixed_size = min_size, max_size, fixed_size

    def get_transform(self, image: np.ndarray) -> Transform:
        """Return the transform from the size of this image."""
        height, width = image.shape[:2]
        if self.fixed_size is not None:
            new_height, new_width = self.fixed_size
        else:
            assert self.min_size is not None
            assert self.max_size is not None
            shorter = self.min_size if isinstance(self.min_size, int) else int(np.random.choice(list(self.min_size)))
            scale = min(shorter / min(height, width), self.max_size / max(height, width))
            # Rounded down, as torch's `interpolate` does with a scale factor: 800 / 427 * 427 can become 799.
            new_height, new_width = max(math.floor(height * scale), 1), max(math.floor(width * scale), 1)
        return FloatScaleTransform(height, width, new_height, new_width, "bilinear")
