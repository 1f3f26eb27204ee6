"""TIFF files that Pillow cannot read: more than four channels, or deep colour. Requires tifffile."""

import io
import math
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .errors import ImageReadError

_ORIENTATION = 274


def decode_tiff(data: bytes, name: str, check_pixels: Callable[[int, int], None]) -> np.ndarray:
    """Return the pixels of the first image as an upright array of shape (H, W) or (H, W, C), in the stored type.

    Args:
        data: The file.
        name: The file name, for error messages.
        check_pixels: A function that rejects a width and height that are too large.

    Raises:
        ImageReadError: If the file is damaged, or tifffile is not installed.
    """
    with _open_tiff(data, name) as file:
        series = file.series[0]
        check_pixels(math.prod(series.shape), 1)
        array = series.asarray()
        tag = file.pages[0].tags.get(_ORIENTATION)
        orientation = 1 if tag is None else int(tag.value)
    if array.ndim == 3 and array.shape[0] < array.shape[-1]:
        array = np.moveaxis(array, 0, -1)
    return _upright(array, orientation)


def tiff_size(data: bytes, name: str) -> tuple[int, int]:
    """Return the `(height, width)` of the result of `decode_tiff`, from the header."""
    with _open_tiff(data, name) as file:
        page = file.pages[0]
        tag = page.tags.get(_ORIENTATION)
        height, width = int(page.imagelength), int(page.imagewidth)
        return (width, height) if tag is not None and int(tag.value) >= 5 else (height, width)


@contextmanager
def _open_tiff(data: bytes, name: str) -> Iterator[Any]:
    try:
        import tifffile
    except ImportError as error:
        raise ImageReadError(
            f"{name}: Pillow does not support this TIFF (more than four channels or 16-bit colours): "
            "pip install 'detectory-data[tiff]'"
        ) from error
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            yield file
    except (ValueError, IndexError, KeyError, OSError, TypeError, struct.error) as error:
        if isinstance(error, ImageReadError):
            raise
        raise ImageReadError(f"{name}: the image is damaged: {error}") from error


def _upright(array: np.ndarray, orientation: int) -> np.ndarray:
    """Apply the TIFF orientation: 5 to 8 are transposed, and then as 1 to 4 mirrored along one or both axes."""
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array
