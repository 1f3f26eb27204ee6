"""Antialiased bilinear resizing of 8-bit images, with exactly the results of torch.

`detectory.data.transforms` resizes images with `torch.nn.functional.interpolate(..., antialias=True)`. Like Pillow,
torch computes with rounded integer weights, first along the rows and then along the columns; Pillow's weights have more
bits, so that its results differ by one gray level at some pixels.
"""

from typing import Any

import numpy as np

_WEIGHT_BITS = 15  # torch stores weights as int16
_FLOAT32_BITS = 16  # 8-bit values times weights that sum to 2**16 are exact in float32


def resize(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize (H, W, 3) uint8 to (height, width, 3)."""
    if pixels.shape[1] != width:
        pixels = _resize_rows(pixels.transpose(1, 0, 2), width).transpose(1, 0, 2)
    return _resize_rows(pixels, height) if pixels.shape[0] != height else pixels


def _resize_rows(pixels: np.ndarray, size: int) -> np.ndarray:
    """Resize the first axis of (n, m, 3)."""
    weights, bits = _integer_weights(pixels.shape[0], size)
    dtype: Any = np.float32 if bits <= _FLOAT32_BITS else np.float64
    flat = pixels.reshape(pixels.shape[0], -1).astype(dtype)
    sums = np.empty((size, flat.shape[1]), dtype)
    step = max(1, -(-size // 32))  # few rows use the same source rows: skip most zeros of the matrix
    for first in range(0, size, step):
        rows = weights[first : first + step]
        used = np.flatnonzero(rows.any(axis=0))
        low, high = used[0], used[-1] + 1
        sums[first : first + step] = rows[:, low:high].astype(dtype) @ flat[low:high]
    rounded = np.floor((sums + (1 << (bits - 1))) * (1 / (1 << bits)))
    return rounded.clip(0, 255).astype(np.uint8).reshape(size, *pixels.shape[1:])


def _integer_weights(size: int, new_size: int) -> tuple[np.ndarray, int]:
    """Return the integer weights (new_size, size) and the number of bits of their fraction."""
    scale = size / new_size
    support = max(scale, 1.0)
    center = scale * (np.arange(new_size) + 0.5)
    first = np.maximum((center - support + 0.5).astype(np.int64), 0)
    last = np.minimum((center + support + 0.5).astype(np.int64), size)  # exclusive
    index = np.arange(size)
    inside = (index >= first[:, None]) & (index < last[:, None])
    distance = np.abs((index - center[:, None] + 0.5) / support)
    weights = np.where(inside, np.maximum(1 - distance, 0), 0)
    weights /= weights.sum(axis=1, keepdims=True)
    bits = 0
    while bits < 22 and int(0.5 + weights.max() * (1 << (bits + 1))) < 1 << _WEIGHT_BITS:
        bits += 1
    return np.floor(weights * (1 << bits) + 0.5).astype(np.int64), bits
