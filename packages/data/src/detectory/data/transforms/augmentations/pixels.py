"""Augmentations of pixels with Pillow: hue, posterize, solarize, equalize, contrast, grayscale, blur."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from detectory.data.transforms.augmentation import Augmentation
from detectory.data.transforms.colors import PILColorTransform
from detectory.data.transforms.transform import NoOpTransform, Transform, TransformList

from .color import RandomBrightness, RandomContrast, RandomSaturation


def _shifted_hue(image: Image.Image, shift: int) -> Image.Image:
    hue, saturation, value = image.convert("HSV").split()
    return Image.merge("HSV", (hue.point([(level + shift) % 256 for level in range(256)]), saturation, value)).convert(
        "RGB"
    )


def _greyed(image: Image.Image) -> Image.Image:
    return image.convert("L").convert(image.mode)


def _blurred(image: Image.Image, radius: float) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(radius))


class _OnBytes(Augmentation):
    """Base class of operations on uint8 images with one or three channels, applied with probability `prob`."""

    channels: tuple[int, ...] = (1, 3)

    def __init__(self, prob: float) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f"{type(self).__name__}: prob must be in [0, 1], got {prob}")
        self.prob = prob

    def get_transform(self, image: np.ndarray) -> Transform:
        """Return the operation with a random strength, or no change."""
        if image.dtype != np.uint8 or (1 if image.ndim == 2 else image.shape[2]) not in self.channels:
            kinds = " or ".join(map(str, self.channels))
            got = f"{image.shape} of {image.dtype}"
            raise ValueError(f"{type(self).__name__}: expected a uint8 image of {kinds} channels, got {got}")
        return self._transform(self._operation()) if self._rand_range() < self.prob else NoOpTransform()

    def _transform(self, operation: Callable[[Any], Any]) -> Transform:
        return _PlaneTransform(operation)

    def _operation(self) -> Callable[[Any], Any]:
        raise TypeError(f"{type(self).__name__} must define _operation")


class _PlaneTransform(PILColorTransform):
    """A Pillow operation that also accepts `(H, W, 1)` images."""

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        """Call `op` with the image as a Pillow image."""
        if img.ndim == 3 and img.shape[2] == 1:
            return super().apply_image(img[:, :, 0])[:, :, None]
        return super().apply_image(img)


class RandomHue(_OnBytes):
    """Rotate the hue of an RGB image.

    Args:
        max_shift: Largest rotation in either direction, as a fraction of the circle, up to 0.5.
        prob: Probability in [0, 1].
    """

    channels = (3,)

    def __init__(self, max_shift: float = 0.05, prob: float = 1.0) -> None:
        super().__init__(prob)
        if not 0 <= max_shift <= 0.5:
            raise ValueError(f"RandomHue: max_shift must be in [0, 0.5], got {max_shift}")
        self.max_shift = max_shift

    def _operation(self) -> Callable[[Any], Any]:
        return partial(_shifted_hue, shift=round(self._rand_range(-self.max_shift, self.max_shift) * 256))


class RandomPosterize(_OnBytes):
    """Keep only the most significant bits of every value.

    Args:
        min_bits: Minimum number of bits, at least 1.
        max_bits: Maximum number of bits, at most 8.
        prob: Probability in [0, 1].
    """

    def __init__(self, min_bits: int = 4, max_bits: int = 7, prob: float = 0.5) -> None:
        super().__init__(prob)
        if not 1 <= min_bits <= max_bits <= 8:
            raise ValueError(f"RandomPosterize: expected 1 <= min_bits <= max_bits <= 8, got {min_bits}, {max_bits}")
        self.min_bits, self.max_bits = min_bits, max_bits

    def _operation(self) -> Callable[[Any], Any]:
        return partial(ImageOps.posterize, bits=int(np.random.randint(self.min_bits, self.max_bits + 1)))


class RandomSolarize(_OnBytes):
    """Invert all values at and above a threshold.

    Args:
        min_threshold: Lowest threshold, in [0, 256].
        max_threshold: Highest threshold.
        prob: Probability in [0, 1].
    """

    def __init__(self, min_threshold: int = 128, max_threshold: int = 256, prob: float = 0.5) -> None:
        super().__init__(prob)
        if not 0 <= min_threshold <= max_threshold <= 256:
            got = f"{min_threshold}, {max_threshold}"
            raise ValueError(f"RandomSolarize: expected 0 <= min_threshold <= max_threshold <= 256, got {got}")
        self.min_threshold, self.max_threshold = min_threshold, max_threshold

    def _operation(self) -> Callable[[Any], Any]:
        threshold = int(np.random.randint(self.min_threshold, self.max_threshold + 1))
        return partial(ImageOps.solarize, threshold=threshold)


class RandomEqualize(_OnBytes):
    """Equalize the histogram of every channel.

    Args:
        prob: Probability in [0, 1].
    """

    def __init__(self, prob: float = 0.5) -> None:
        super().__init__(prob)

    def _operation(self) -> Callable[[Any], Any]:
        return ImageOps.equalize


class RandomAutoContrast(_OnBytes):
    """Stretch every channel to [0, 255].

    Args:
        prob: Probability in [0, 1].
    """

    def __init__(self, prob: float = 0.5) -> None:
        super().__init__(prob)

    def _operation(self) -> Callable[[Any], Any]:
        return ImageOps.autocontrast


class RandomGrayscale(_OnBytes):
    """Convert an RGB image to grayscale with three channels.

    Args:
        prob: Probability in [0, 1].
    """

    channels = (3,)

    def __init__(self, prob: float = 0.1) -> None:
        super().__init__(prob)

    def _operation(self) -> Callable[[Any], Any]:
        return _greyed


class RandomBlur(_OnBytes):
    """Apply a Gaussian blur.

    Args:
        min_radius: Smallest standard deviation in pixels.
        max_radius: Largest standard deviation.
        prob: Probability in [0, 1].
    """

    def __init__(self, min_radius: float = 0.1, max_radius: float = 2.0, prob: float = 0.5) -> None:
        super().__init__(prob)
        if not 0 <= min_radius <= max_radius:
            raise ValueError(f"RandomBlur: expected 0 <= min_radius <= max_radius, got {min_radius}, {max_radius}")
        self.min_radius, self.max_radius = min_radius, max_radius

    def _operation(self) -> Callable[[Any], Any]:
        return partial(_blurred, radius=float(self._rand_range(self.min_radius, self.max_radius)))


class RandomColorJitter(Augmentation):
    """Change brightness, contrast, saturation and hue of an RGB image, in a random order.

    Args:
        brightness: Intensities are drawn from `[1 - brightness, 1 + brightness]`.
        contrast: As `brightness`.
        saturation: As `brightness`.
        hue: See `RandomHue`.
    """

    def __init__(
        self, brightness: float = 0.4, contrast: float = 0.4, saturation: float = 0.4, hue: float = 0.05
    ) -> None:
        if not all(0 <= value <= 1 for value in (brightness, contrast, saturation)):
            got = f"{brightness}, {contrast}, {saturation}"
            raise ValueError(f"RandomColorJitter: brightness, contrast, saturation must be in [0, 1], got {got}")
        self.brightness, self.contrast, self.saturation, self.hue = brightness, contrast, saturation, hue
        self._parts: list[Augmentation] = [
            kind(1 - strength, 1 + strength)
            for kind, strength in (
                (RandomBrightness, brightness),
                (RandomContrast, contrast),
                (RandomSaturation, saturation),
            )
        ]
        self._parts.append(RandomHue(hue))

    def get_transform(self, image: np.ndarray) -> Transform:
        """Return the operations in a random order with random strengths, to be applied in sequence."""
        transforms = []
        for number in np.random.permutation(len(self._parts)):
            transforms.append(self._parts[number].get_transform(image))
            image = transforms[-1].apply_image(image)
        return TransformList(transforms)
