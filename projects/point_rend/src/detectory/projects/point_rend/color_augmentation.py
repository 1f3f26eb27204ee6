"""SSD's colour augmentation."""

from typing import Any

import numpy as np
from PIL import Image

from detectory.data.transforms import NoOpTransform, Transform

__all__ = ["ColorAugSSDTransform"]


class ColorAugSSDTransform(Transform):
    """Change brightness, contrast, saturation and hue at random, each with probability 0.5, for every image.

    Args:
        img_format: `"BGR"` or `"RGB"`.
        brightness_delta: Maximum absolute change of brightness, in [0, 255].
        contrast_low: Minimum contrast factor.
        contrast_high: Maximum contrast factor.
        saturation_low: Minimum saturation factor.
        saturation_high: Maximum saturation factor.
        hue_delta: Maximum absolute change of hue, in units of 2 degrees.

    Raises:
        ValueError: If `img_format` is not supported.

    Source: Liu et al., "SSD: Single Shot MultiBox Detector", 2016, section 2.2, in the order of the published code.
    """

    def __init__(
        self,
        img_format: str,
        brightness_delta: float = 32,
        contrast_low: float = 0.5,
        contrast_high: float = 1.5,
        saturation_low: float = 0.5,
        saturation_high: float = 1.5,
        hue_delta: float = 18,
    ) -> None:
        super().__init__()
        if img_format not in ("BGR", "RGB"):
            raise ValueError(f"ColorAugSSDTransform: img_format must be 'BGR' or 'RGB', got {img_format!r}")
        self.is_rgb = img_format == "RGB"
        self.brightness_delta, self.hue_delta = brightness_delta, hue_delta
        self.contrast_low, self.contrast_high = contrast_low, contrast_high
        self.saturation_low, self.saturation_high = saturation_low, saturation_high

    def apply_image(self, img: np.ndarray, interp: Any = None) -> np.ndarray:
        """Augment a uint8 image `(H, W, 3)`."""
        del interp
        order = slice(None) if self.is_rgb else slice(None, None, -1)
        changed = _scaled(img[..., order], shift=self._drawn(-self.brightness_delta, self.brightness_delta, 0.0))
        contrast = self._drawn(self.contrast_low, self.contrast_high, 1.0)
        contrast_first = np.random.random() < 0.5
        if contrast_first:
            changed = _scaled(changed, contrast)
        changed = self._with_other_hue(changed)
        if not contrast_first:
            changed = _scaled(changed, contrast)
        return np.ascontiguousarray(changed[..., order])

    def _with_other_hue(self, rgb: np.ndarray) -> np.ndarray:
        saturation = self._drawn(self.saturation_low, self.saturation_high, 1.0)
        hue = self._drawn(-self.hue_delta, self.hue_delta, 0.0)
        if (saturation, hue) == (1.0, 0.0):
            return rgb
        hsv = np.array(Image.fromarray(np.ascontiguousarray(rgb)).convert("HSV"))
        hsv[..., 0] = (hsv[..., 0].astype(np.int32) + round(hue * 256 / 180)) % 256
        hsv[..., 1] = _scaled(hsv[..., 1], saturation)
        return np.array(Image.fromarray(hsv, mode="HSV").convert("RGB"))

    @staticmethod
    def _drawn(low: float, high: float, neutral: float) -> float:
        return float(np.random.uniform(low, high)) if np.random.random() < 0.5 else neutral

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Return the coordinates unchanged."""
        return coords

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        """Return the segmentation unchanged."""
        return segmentation

    def inverse(self) -> Transform:
        """Return a no-op; colour changes cannot be inverted."""
        return NoOpTransform()


def _scaled(values: np.ndarray, factor: float = 1.0, shift: float = 0.0) -> np.ndarray:
    """Return `factor * values + shift`, clipped to uint8."""
    return np.clip(values.astype(np.float32) * factor + shift, 0, 255).astype(np.uint8)
