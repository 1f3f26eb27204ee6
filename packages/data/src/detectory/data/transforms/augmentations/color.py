"""Augmentations of colours."""

import numpy as np

from detectory.data.transforms.augmentation import Augmentation
from detectory.data.transforms.colors import BlendTransform
from detectory.data.transforms.transform import Transform

LUMA = (0.299, 0.587, 0.114)
# Principal components of the colours of ImageNet's training set, one column each, and their standard deviations.
IMAGENET_EIGENVECTORS = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])
IMAGENET_EIGENVALUES = np.array([0.2175, 0.0188, 0.0045])


class _RandomIntensity(Augmentation):
    """Base class with a random intensity: 1 keeps the image, lower values weaken a property, higher ones enhance it.

    Args:
        intensity_min: Lowest intensity.
        intensity_max: Highest intensity.
    """

    def __init__(self, intensity_min: float, intensity_max: float) -> None:
        self.intensity_min, self.intensity_max = intensity_min, intensity_max

    def _blend(self, towards: np.ndarray | float) -> Transform:
        intensity = np.random.uniform(self.intensity_min, self.intensity_max)
        return BlendTransform(src_image=towards, src_weight=1 - intensity, dst_weight=intensity)


class RandomContrast(_RandomIntensity):
    """Change the contrast: blend with the image's mean."""

    def get_transform(self, image: np.ndarray) -> Transform:
        """Return a blend with a random intensity."""
        return self._blend(image.mean())


class RandomBrightness(_RandomIntensity):
    """Change the brightness: blend with black."""

    def get_transform(self, image: np.ndarray) -> Transform:
        """Return a blend with a random intensity."""
        return self._blend(np.zeros((), dtype=np.float32) if image.dtype == np.uint8 else 0.0)


class RandomSaturation(_RandomIntensity):
    """Change the saturation of an RGB image: blend with its grayscale version.

    The channels must be in the order R, G, B.
    """

    def get_transform(self, image: np.ndarray) -> Transform:
        """Return a blend with a random intensity."""
        if image.ndim != 3 or image.shape[-1] != 3:
            raise ValueError(f"RandomSaturation: expected an (H, W, 3) RGB image, got shape {image.shape}")
        return self._blend(image.dot(np.array(LUMA))[:, :, None])


class RandomLighting(Augmentation):
    """Shift the colors of an RGB image along the principal components of ImageNet's colors.

    Args:
        scale: Standard deviation of the shift.

    Source: A. Krizhevsky, I. Sutskever, G. Hinton: ImageNet Classification with Deep CNNs, 2012, section 4.1.
    """

    def __init__(self, scale: float) -> None:
        self.scale = scale

    def get_transform(self, image: np.ndarray) -> Transform:
        """Return a random shift."""
        if image.ndim != 3 or image.shape[-1] != 3:
            raise ValueError(f"RandomLighting: expected an (H, W, 3) RGB image, got shape {image.shape}")
        weights = np.random.normal(scale=self.scale, size=3)
        shift = IMAGENET_EIGENVECTORS @ (weights * IMAGENET_EIGENVALUES)
        return BlendTransform(src_image=shift, src_weight=1.0, dst_weight=1.0)
