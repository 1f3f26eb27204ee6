"""Images for exported models: decoding and orientation with Pillow, resizing as in the `Predictor`."""

import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from detectory.export.runtime.resizing import resize

ImageSource = str | os.PathLike[str] | bytes | Image.Image | np.ndarray
"""A path; the content of an image file; a Pillow image; or an RGB array (H, W, 3) or grey array (H, W), uint8."""


def rgb_image(image: ImageSource) -> Image.Image:
    """Return an upright 8-bit RGB image.

    Raises:
        FileNotFoundError: If the file does not exist.
        TypeError: If the type of the image is not supported.
        ValueError: If the file is not a readable image, or an array has an invalid shape or dtype.
    """
    if isinstance(image, np.ndarray):
        return _from_array(image)
    if isinstance(image, Image.Image):
        return _converted(image)
    if isinstance(image, bytes | bytearray | memoryview):
        return _decoded(bytes(image), "bytes")
    if isinstance(image, str | os.PathLike):
        path = Path(image)
        if not path.is_file():
            raise FileNotFoundError(f"predict: {path}: file does not exist")
        return _decoded(path.read_bytes(), str(path))
    raise TypeError(f"predict: image must be a path, bytes, a Pillow image or an array, got {type(image).__name__}")


def _from_array(array: np.ndarray) -> Image.Image:
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise ValueError(f"predict: an array must be (H, W) or (H, W, 3) uint8, got {array.shape} {array.dtype}")
    if not array.size:
        raise ValueError(f"predict: image must not be empty, got shape {array.shape}")
    return Image.fromarray(np.ascontiguousarray(array[:, :, :3] if array.ndim == 3 else array)).convert("RGB")


def _decoded(data: bytes, name: str) -> Image.Image:
    try:
        with Image.open(io.BytesIO(data)) as image:
            return _converted(image)
    except UnidentifiedImageError as error:
        raise ValueError(f"predict: {name}: not an image format that Pillow supports ({len(data)} bytes)") from error
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"predict: {name}: the image is damaged: {error}") from error


def _converted(image: Image.Image) -> Image.Image:
    image.load()
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith(("I", "F")):  # deep pixels, which convert() would clip at 255
        upright = Image.fromarray(_eight_bits(np.asarray(upright)))
    return upright.convert("RGB")


def _eight_bits(pixels: np.ndarray) -> np.ndarray:
    """Scale deep pixels by the range that contains their maximum: 1 for floats, else 8, 12 or 16 bits."""
    low, high = float(pixels.min()), float(pixels.max())
    if not (np.isfinite(low + high) and low >= 0 and high < 1 << 16):
        raise ValueError(f"predict: pixels must be in [0, 65535], got {low:g} to {high:g}")
    if pixels.dtype.kind == "f" and high <= 1:
        return np.round(pixels * 255).astype(np.uint8)
    bits = next(bits for bits in (8, 12, 16) if high < 1 << bits)
    return (pixels.astype(np.uint16) >> (bits - 8)).astype(np.uint8)


def resized_size(height: int, width: int, shortest: int, longest: int) -> tuple[int, int]:
    """Return the (height, width) after the shorter side is scaled to `shortest` and the longer limited to `longest`.

    A `shortest` of 0 keeps the size.
    """
    if shortest == 0:
        return height, width
    scale = shortest / min(height, width)
    new_height, new_width = (float(shortest), scale * width) if height < width else (scale * height, float(shortest))
    if max(new_height, new_width) > longest:
        shrink = longest / max(new_height, new_width)
        new_height, new_width = new_height * shrink, new_width * shrink
    return max(int(new_height + 0.5), 1), max(int(new_width + 0.5), 1)


def fitted_size(height: int, width: int, max_height: int, max_width: int) -> tuple[int, int]:
    """Return the largest (height, width) of the same aspect ratio that fits into a box."""
    scale = min(max_height / height, max_width / width)
    return min(max(round(height * scale), 1), max_height), min(max(round(width * scale), 1), max_width)


def padded(pixels: np.ndarray, height: int, width: int, pixel_mean: Sequence[float]) -> np.ndarray:
    """Pad an image (C, h, w) at the bottom and on the right with the mean color, which is zero after normalization."""
    result = np.repeat(np.repeat(np.array(pixel_mean, np.float32)[:, None, None], height, axis=1), width, axis=2)
    result[:, : pixels.shape[1], : pixels.shape[2]] = pixels
    return result


def model_input(image: Image.Image, size: tuple[int, int], channel_order: str) -> np.ndarray:
    """Return the pixels resized to `size`, (3, h, w) float32 in [0, 255], in `"RGB"` or `"BGR"` order."""
    pixels = resize(np.asarray(image), *size)
    ordered = pixels[:, :, ::-1] if channel_order == "BGR" else pixels
    return np.ascontiguousarray(ordered.transpose(2, 0, 1), np.float32)
