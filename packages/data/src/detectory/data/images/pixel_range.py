"""Conversion of deep pixels to 8 bits."""

import math

import numpy as np

from .errors import ImageReadError

_BIT_DEPTHS = (8, 12, 16)


def scale_to_uint8(pixels: np.ndarray, name: str) -> np.ndarray:
    """Scale pixels of any numeric type to uint8.

    Files do not store the range of deep pixels, so that the largest value determines it. Floating-point pixels of at
    most 1 are multiplied by 255. All others have the smallest of 8, 12 and 16 bits that contains the largest value, and
    keep their 8 highest bits: values up to 255 remain, values up to 4095 are divided by 16, values up to 65535 by 256.

    Args:
        pixels: An array of any shape.
        name: The image, for the error message.

    Raises:
        ImageReadError: If a value is negative, not finite or above 65535.
    """
    if pixels.dtype == np.uint8 or not pixels.size:
        return pixels.astype(np.uint8)
    low, high = float(pixels.min()), float(pixels.max())
    if not math.isfinite(low + high) or low < 0 or high >= 1 << _BIT_DEPTHS[-1]:
        raise ImageReadError(
            f"{name}: pixels of type {pixels.dtype} must be finite and in [0, 65535], got {low:g} to {high:g}. "
            "Scale them to 8 bits, or save the image as .npy to use the values unchanged"
        )
    if pixels.dtype.kind == "f" and high <= 1:
        return np.round(pixels * 255).astype(np.uint8)
    bits = next(bits for bits in _BIT_DEPTHS if high < 1 << bits)
    return (pixels.astype(np.uint16) >> (bits - 8)).astype(np.uint8)
