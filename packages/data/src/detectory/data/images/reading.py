"""Decoding of image files into arrays, with a size limit."""

import functools
import io
import logging
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from .errors import ImageReadError
from .jpeg_header import JpegHeader, read_jpeg_header
from .pillow_files import open_image, upright_size
from .pixel_range import scale_to_uint8
from .tiff import decode_tiff, tiff_size

if TYPE_CHECKING:
    import torch

_logger = logging.getLogger(__name__)

PILLOW_MODES = ("RGB", "L", "HSV", "YCbCr", "LAB", "CMYK", "RGBA", "I", "F", "1", "P")
FORMATS = ("BGR", "YUV-BT.601", *PILLOW_MODES)
RGB_TO_YUV = np.array([[0.299, 0.587, 0.114], [-0.14713, -0.28886, 0.436], [0.615, -0.51499, -0.10001]])
TIFF_SUFFIXES = (".tif", ".tiff")
YUV_TO_RGB = np.array([[1.0, 0.0, 1.13983], [1.0, -0.39465, -0.58060], [1.0, 2.03211, 0.0]])

#: Images with more pixels are rejected, because a file of a few kilobytes could use up all memory.
MAX_PIXELS = 178_956_970


class SizeMismatchError(ValueError):
    """The size of an image differs from its record."""


@functools.cache
def _torchvision_jpeg() -> Callable[[bytes, str | None], np.ndarray] | None:
    """Return torchvision's JPEG decoder, or None if torchvision cannot be loaded."""
    try:
        import torch
        from torchvision.io import ImageReadMode, decode_jpeg
    except (ImportError, OSError, RuntimeError) as error:
        _logger.warning("torchvision's JPEG decoder is unavailable, falling back to Pillow: %s", error)
        return None
    modes = {"RGB": ImageReadMode.RGB, "L": ImageReadMode.GRAY, None: ImageReadMode.UNCHANGED}

    def decode(data: bytes, mode: str | None) -> np.ndarray:
        values = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        with warnings.catch_warnings():
            # Deprecated since torchvision 0.29. Pillow is the fallback once the function is removed.
            warnings.simplefilter("ignore", DeprecationWarning)
            image = decode_jpeg(values, mode=modes[mode], apply_exif_orientation=True)
        return image.permute(1, 2, 0).numpy()

    return decode


def _decoded_by_torchvision(data: bytes, header: JpegHeader, mode: str | None) -> np.ndarray | None:
    """Decode 8-bit JPEG files in grey or RGB; return None for other files, which Pillow decodes."""
    decode = _torchvision_jpeg()
    components = {"RGB": 3, "L": 1, None: 3}.get(mode)
    if decode is None or header.bits != 8 or header.components != components:
        return None
    try:
        return decode(data, mode)
    except RuntimeError:
        # Pillow can decode the file or reports what is wrong.
        return None


def _check_pixels(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS:
        raise ImageReadError(f"{name}: image must have at most {MAX_PIXELS} pixels, got {width} x {height}")


def _pillow_array(image: Image.Image, mode: str | None, name: str) -> np.ndarray:
    # For TIFF files Pillow applies the orientation while it loads the pixels, and then removes the tag.
    image.load()
    image = ImageOps.exif_transpose(image)
    is_deep = image.mode == "F" or image.mode.startswith("I")
    if is_deep and mode not in (None, "I", "F"):
        # convert() would clip at 255 instead of scaling.
        image = Image.fromarray(scale_to_uint8(np.asarray(image), name))
    return np.asarray(image if mode is None or image.mode == mode else image.convert(mode))


def _decoded_by_pillow(data: bytes, name: str, mode: str | None) -> np.ndarray:
    try:
        with open_image(io.BytesIO(data), name, data[:12]) as image:
            _check_pixels(*image.size, name)
            return _pillow_array(image, mode, name)
    except UnidentifiedImageError as error:
        if name.lower().endswith(TIFF_SUFFIXES):
            return _tiff_array(
                decode_tiff(data, name, lambda width, height: _check_pixels(width, height, name)), mode, name
            )
        raise ImageReadError(f"{name}: not an image format that Pillow supports ({len(data)} bytes)") from error
    except Image.DecompressionBombError as error:
        raise ImageReadError(f"{name}: image must have at most {MAX_PIXELS} pixels: {error}") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        if isinstance(error, ImageReadError):
            raise
        raise ImageReadError(f"{name}: the image is damaged: {error}") from error


def _tiff_array(array: np.ndarray, mode: str | None, name: str) -> np.ndarray:
    """Convert deep grey and RGB to a Pillow mode; arrays with any other number of channels stay as they are."""
    if mode in (None, "I", "F") or (array.ndim == 3 and array.shape[2] not in (1, 3)):
        return array
    pixels = scale_to_uint8(array, name)
    return np.asarray(
        Image.fromarray(pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels).convert(mode)
    )


def _decoded(path: str, mode: str | None) -> np.ndarray:
    """Return an array of shape (H, W) or (H, W, C) in a Pillow mode; None keeps the stored mode."""
    if path.lower().endswith(".npy"):
        try:
            # Memory-mapped, because the header can claim more memory than available.
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise ImageReadError(f"{path}: not a NumPy array file: {error}") from error
        if array.ndim not in (2, 3):
            raise ImageReadError(f"{path}: expected an (H, W) or (H, W, C) array, got shape {array.shape}")
        _check_pixels(array.shape[1], array.shape[0], path)
        return np.array(array)
    with open(path, "rb") as file:
        return _decoded_bytes(file.read(), path, mode)


def _decoded_bytes(data: bytes, path: str, mode: str | None) -> np.ndarray:
    header = read_jpeg_header(data)
    if header is not None:
        _check_pixels(header.width, header.height, path)
        # Both decoders fill missing data with grey; a file without end marker is damaged.
        array = _decoded_by_torchvision(data, header, mode) if header.is_complete else None
        if array is not None:
            return array if array.shape[2] > 1 else array[:, :, 0]
    return _decoded_by_pillow(data, path, mode)


def read_image_view(file_name: str | os.PathLike[str], format: str | None = None) -> np.ndarray:
    """Read an image like `read_image`, but return BGR as a view of RGB memory with reversed channels.

    Resizing and the final copy into a tensor handle the reversal at no extra cost, which saves one pass over the image.
    """
    if format is not None and format not in FORMATS:
        raise ValueError(f"read_image: format must be one of {', '.join(FORMATS)} or None, got {format!r}")
    mode = {"BGR": "RGB", "YUV-BT.601": "RGB"}.get(format, format) if format else None
    image = _decoded(os.fspath(file_name), mode)
    if format == "L":
        return image[:, :, None] if image.ndim == 2 else image
    if format == "BGR":
        return image[:, :, ::-1]
    if format == "YUV-BT.601":
        return np.dot(image / 255.0, RGB_TO_YUV.T)
    return image


def read_image(file_name: str | os.PathLike[str], format: str | None = None) -> np.ndarray:
    """Read an image file and apply its EXIF orientation.

    Args:
        file_name: The path of a file in any format that Pillow supports, a TIFF with pixels of any type, a HEIC image
            (requires the extra `heic`), or a `.npy` array of shape (H, W) or (H, W, C) with any number of channels.
        format: `"RGB"`, `"BGR"`, `"L"` (grey), `"YUV-BT.601"`, another Pillow mode such as `"HSV"`, or None for the
            stored pixels. Palettes, CMYK and transparency are converted. Grey and RGB pixels with more than 8 bits are
            scaled by `scale_to_uint8`, except for `"I"` and `"F"`. The channels of `.npy` arrays and of TIFF files with
            more than three channels are kept, but reversed for `"BGR"`.

    Returns:
        Uint8 in [0, 255], shape (H, W, C), with C = 1 for `"L"`. YUV is floating point with Y in [0, 1]. For None the
        stored shape and dtype.

    Raises:
        FileNotFoundError: If the file does not exist.
        ImageReadError: If the file is damaged, not an image, has more than `MAX_PIXELS` pixels, or has pixels that
            cannot be scaled to 8 bits.
    """
    return np.ascontiguousarray(read_image_view(file_name, format))


def decode_image(data: bytes, format: str, name: str = "image") -> np.ndarray:
    """Decode the content of an image file like `read_image`.

    Args:
        data: The content of the file.
        format: `"RGB"` or `"BGR"`.
        name: Name of the image in error messages.

    Returns:
        Uint8, shape (H, W, 3).

    Raises:
        ImageReadError: If the content is not a readable image.
    """
    image = _decoded_bytes(data, name, "RGB")
    return image[:, :, ::-1] if format == "BGR" else image


def oriented_rgb(image: Image.Image) -> np.ndarray:
    """Return a Pillow image as RGB, (H, W, 3) uint8, with its EXIF orientation applied, as `read_image` does."""
    return _pillow_array(image, "RGB", "Pillow image")


def convert_PIL_to_numpy(image: Image.Image, format: str | None) -> np.ndarray:
    """Convert a Pillow image to an array in one of the formats of `read_image`."""
    mode = {"BGR": "RGB", "YUV-BT.601": "RGB"}.get(format, format) if format else None
    array = np.asarray(image if mode is None else image.convert(mode))
    if format == "L":
        return array[:, :, None]
    if format == "BGR":
        return np.ascontiguousarray(array[:, :, ::-1])
    return np.dot(array / 255.0, RGB_TO_YUV.T) if format == "YUV-BT.601" else array


def convert_image_to_rgb(image: "np.ndarray | torch.Tensor", format: str) -> np.ndarray:
    """Convert an image to RGB.

    Args:
        image: An array or tensor of shape (H, W, C) in `format`.
        format: One of the formats of `read_image`.

    Returns:
        Shape (H, W, 3), in [0, 255], uint8 or floating point.
    """
    if not isinstance(image, np.ndarray):
        image = image.cpu().numpy()
    if format == "BGR":
        return image[:, :, ::-1]
    if format == "YUV-BT.601":
        return (np.dot(image, YUV_TO_RGB.T) * 255.0).clip(0, 255).astype(np.uint8)
    if format == "L":
        return np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)
    if format == "RGB":
        return image
    return np.asarray(Image.fromarray(image, mode=format).convert("RGB"))


def check_image_size(dataset_dict: Any, image: np.ndarray) -> None:
    """Compare the size of an image with the `width` and `height` of its record, which are set if missing.

    Raises:
        SizeMismatchError: If the sizes differ.
    """
    height, width = image.shape[:2]
    for key, value in (("width", width), ("height", height)):
        if dataset_dict.setdefault(key, value) != value:
            place = f"{dataset_dict['file_name']}: " if "file_name" in dataset_dict else ""
            raise SizeMismatchError(
                f"{place}the image is {width} x {height} (width x height), but its record"
                f"{' of image id ' + repr(dataset_dict['image_id']) if 'image_id' in dataset_dict else ''} says "
                f"{dataset_dict.get('width', width)} x {dataset_dict.get('height', height)}"
            )


def image_size_of_file(file_name: str | os.PathLike[str]) -> tuple[int, int]:
    """Return the `(height, width)` of the result of `read_image` from the header of the file."""
    path = Path(file_name)
    if path.suffix.lower() == ".npy":
        shape = np.load(path, mmap_mode="r", allow_pickle=False).shape
        return int(shape[0]), int(shape[1])
    try:
        with open(path, "rb") as file, open_image(path, str(path), file.read(12)) as image:
            return upright_size(image)
    except UnidentifiedImageError as error:
        if path.suffix.lower() in TIFF_SUFFIXES:
            return tiff_size(path.read_bytes(), str(path))
        raise ImageReadError(f"{path}: not an image format that Pillow supports") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, (FileNotFoundError, ImageReadError)):
            raise
        raise ImageReadError(f"{path}: the image is damaged: {error}") from error
