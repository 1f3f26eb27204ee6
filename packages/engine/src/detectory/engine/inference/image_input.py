"""Conversion of the images that people have (paths, bytes, Pillow images, arrays, tensors) to 8-bit arrays."""

import os

import numpy as np
import torch
from PIL import Image

from detectory.data.images import decode_image, oriented_rgb, read_image, scale_to_uint8

ImageSource = str | os.PathLike[str] | bytes | Image.Image | np.ndarray | torch.Tensor
"""A path; the content of an image file; a Pillow image; an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), in grey,
RGB or RGBA; or a tensor (C, H, W) with C = 1, 3 or 4. Pixels that are not uint8 are scaled by `scale_to_uint8`."""


def image_pixels(image: ImageSource, channel_order: str) -> np.ndarray:
    """Return an image as (H, W, 3) uint8.

    Transparency is dropped, grey is repeated, and pixels of other types are scaled by `scale_to_uint8`: floats in
    [0, 1] are multiplied by 255, values above 255 are reduced to their 8 highest bits of 12 or 16.

    Args:
        image: See `ImageSource`. Arrays, tensors and Pillow images are RGB.
        channel_order: `"BGR"` or `"RGB"`, of the result.

    Raises:
        FileNotFoundError: If a file does not exist.
        IsADirectoryError: If the path is a folder.
        TypeError: If the type of the image is not supported.
        ValueError: If the file is not a readable image, or shape, dtype or values are not supported.
    """
    if isinstance(image, (str, os.PathLike)):
        return _read_file(os.fspath(image), channel_order)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return decode_image(bytes(image), channel_order, "Predictor: bytes")
    if isinstance(image, Image.Image):
        if 0 in image.size:
            raise ValueError(f"Predictor: image must not be empty, got {image.width} x {image.height} pixels")
        pixels = oriented_rgb(image)
    elif isinstance(image, (np.ndarray, torch.Tensor)):
        pixels = scale_to_uint8(_three_channels(_as_array(image)), "Predictor: image")
    else:
        name = f"{type(image).__module__}.{type(image).__qualname__}".removeprefix("builtins.")
        raise TypeError(f"Predictor: image must be a path, bytes, Pillow image, array or tensor, got {name}")
    return pixels[:, :, ::-1] if channel_order == "BGR" else pixels


def _read_file(path: str, channel_order: str) -> np.ndarray:
    if os.path.isdir(path):
        raise IsADirectoryError(f"Predictor: {path} is a folder, pass its files to predict_files")
    if not os.path.exists(path):
        raise FileNotFoundError(f"Predictor: {path}: file does not exist")
    return read_image(path, format=channel_order)


def _as_array(image: np.ndarray | torch.Tensor) -> np.ndarray:
    if isinstance(image, np.ndarray):
        return image
    if image.ndim == 3 and image.shape[0] not in (1, 3, 4):
        raise ValueError(f"Predictor: a tensor must have shape (C, H, W) with C = 1, 3 or 4, got {tuple(image.shape)}")
    array = image.detach().cpu()
    array = array.float() if array.dtype in (torch.bfloat16, torch.float16) else array
    return array.numpy() if array.ndim != 3 else array.permute(1, 2, 0).numpy()


def _three_channels(array: np.ndarray) -> np.ndarray:
    """Return (H, W, 3) of any dtype."""
    if array.size == 0:
        raise ValueError(f"Predictor: image must not be empty, got shape {array.shape}")
    if array.dtype.kind not in "uif":
        raise ValueError(f"Predictor: pixels must be integers or floats, got {array.dtype}")
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        hint = ". Arrays are (H, W, C): transpose it" if array.ndim == 3 and array.shape[0] in (1, 3, 4) else ""
        raise ValueError(
            f"Predictor: an array must have shape (H, W) or (H, W, C) with C = 1, 3 or 4, got {array.shape}{hint}"
        )
    return np.repeat(array, 3, axis=2) if array.shape[2] == 1 else array[:, :, :3]
