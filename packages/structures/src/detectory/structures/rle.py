"""Decoding of run-length encoded (RLE) masks."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from detectory import ops


def rle_to_bitmask(rle: Mapping[str, Any], max_pixels: int | None = None) -> np.ndarray:
    """Decode a run-length encoded mask.

    Args:
        rle: A dict in COCO's format (see `RLE`), compressed or uncompressed.
        max_pixels: The largest `height * width` to decode. A few bytes of RLE can describe a mask of any size: set a
            limit for data from untrusted files.

    Returns:
        Bool, shape (height, width).

    Raises:
        ValueError: If a key is missing, the counts are invalid or do not sum to `height * width`, or the mask has more
            than `max_pixels` pixels.
    """
    size, counts = rle.get("size"), rle.get("counts")
    if not isinstance(size, list | tuple) or len(size) != 2 or counts is None:
        raise ValueError(f"rle_to_bitmask: rle must have 'size' [height, width] and 'counts', got keys {sorted(rle)}")
    if max_pixels is not None and size[0] * size[1] > max_pixels:
        raise ValueError(f"rle_to_bitmask: rle must have at most {max_pixels} pixels, got {size[0]} x {size[1]}")
    return ops.rle_decode(rle).numpy()
