"""Reading and writing of panoptic PNG files, which store segment ids as colours.

Source: The panoptic format in "COCO: Data format", https://cocodataset.org/#format-data.
"""

import os

import numpy as np
from PIL import Image

from detectory.data.images.reading import read_image
from detectory.structures import ids_to_rgb, rgb_to_ids


def read_panoptic_png(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a panoptic PNG file as `(H, W)` int32 ids."""
    return rgb_to_ids(read_image(path, "RGB"))


def write_panoptic_png(path: str | os.PathLike[str], ids: np.ndarray) -> None:
    """Write `(H, W)` ids as a panoptic PNG file.

    Raises:
        ValueError: If an id is negative or at least 2^24.
    """
    Image.fromarray(ids_to_rgb(ids)).save(path, format="PNG")
