"""Segment ids of panoptic images and the colours that encode them.

Source: The panoptic format in "COCO: Data format", https://cocodataset.org/#format-data.
"""

import numpy as np

MAX_SEGMENT_ID = (1 << 24) - 1
"""The largest id that three 8-bit channels can store."""


def rgb_to_ids(image: np.ndarray) -> np.ndarray:
    """Convert (H, W, 3) uint8 colours to (H, W) int32 segment ids: `R + 256 G + 256² B`."""
    channels = image.astype(np.int32)
    return channels[..., 0] + 256 * channels[..., 1] + 65536 * channels[..., 2]


def ids_to_rgb(ids: np.ndarray) -> np.ndarray:
    """Convert (H, W) segment ids to (H, W, 3) uint8 colours; the inverse of `rgb_to_ids`.

    Raises:
        ValueError: If an id is negative or at least 2^24.
    """
    ids = np.asarray(ids)
    if ids.size and (ids.min() < 0 or ids.max() > MAX_SEGMENT_ID):
        raise ValueError(f"ids_to_rgb: ids must be in [0, 2^24), got ids from {ids.min()} to {ids.max()}")
    return np.stack([(ids >> shift) & 255 for shift in (0, 8, 16)], axis=-1).astype(np.uint8)
