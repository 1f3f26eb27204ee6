"""The way in which panoptic PNG files write segment ids as colours."""

import os

import numpy as np
from PIL import Image

from detectory.data.images.reading import read_image


def rgb_to_ids(image: np.ndarray) -> np.ndarray:
    """Turn `(H, W, 3)` uint8 colours into `(H, W)` int32 ids: `R + 256 G + 65536 B`."""
    channels = image.astype(np.int32)
    return channels[..., 0] + 256 * channels[..., 1] + 65536 * channels[..., 2]


def ids_to_rgb(ids: np.ndarray) -> np.ndarray:
    """Turn `(H, W)` ids below 2^24 into `(H, W, 3)` uint8 colours."""
    ids = np.asarray(ids)
    if ids.size and (ids.min() < 0 or ids.max() >= 1 << 24):
        raise ValueError(f"ids_to_rgb: ids must lie in [0, 2^24), got {ids.min()} to {ids.max()}")
    return np.stack([(ids >> shift) & 255 for shift in (0, 8, 16)], axis=-1).astype(np.uint8)


def read_panoptic_png(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a panoptic PNG as `(H, W)` int32 ids."""
    return rgb_to_ids(read_image(path, "RGB"))


def write_panoptic_png(path: str | os.PathLike[str], ids: np.ndarray) -> None:
    """Write `(H, W)` ids as a panoptic PNG."""
    Image.fromarray(ids_to_rgb(ids)).save(path, format="PNG")
