"""Resizing of arrays: antialiased for images as in Pillow, nearest neighbor for labels."""

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

NEAREST, LANCZOS, BILINEAR, BICUBIC, BOX, HAMMING = (
    int(Image.Resampling[name]) for name in ("NEAREST", "LANCZOS", "BILINEAR", "BICUBIC", "BOX", "HAMMING")
)
_TORCH_MODE = {BILINEAR: "bilinear", BICUBIC: "bicubic"}


def resize_nearest(array: np.ndarray, new_h: int, new_w: int) -> np.ndarray:
    """Resize `(H, W)` or `(H, W, C)` of any dtype to the source pixel at the center of each new pixel."""
    rows, columns = _sources(array.shape[0], new_h), _sources(array.shape[1], new_w)
    return array[rows].take(columns, axis=1)


def _sources(old: int, new: int) -> np.ndarray:
    """Return the source index at the center of each new pixel.

    Steps are accumulated as in Pillow, so that centers on the border of two pixels are rounded to the same side.
    """
    step = old / new
    steps = np.full(new, step)
    steps[0] = step * 0.5
    return steps.cumsum().astype(np.int64).clip(max=old - 1)


def _interpolated(array: np.ndarray, new_h: int, new_w: int, mode: str, antialias: bool) -> np.ndarray:
    """Resize `(H, W, C)` with torch, without changing the memory layout."""
    _, width, channels = array.shape
    image = torch.from_numpy(array).permute(2, 0, 1)[None]
    if channels in (3, 4) and array.flags.c_contiguous:
        # The batch stride marks the tensor as channels-last for torch, also with a single image. Otherwise torch
        # converts the result to another layout, which takes as long as the filter.
        image = image.as_strided(image.shape, (array.size, 1, width * channels, channels))
    resized = functional.interpolate(image, (new_h, new_w), mode=mode, antialias=antialias, align_corners=False)
    return resized[0].permute(1, 2, 0).numpy()


def _resized_by_pillow(array: np.ndarray, new_h: int, new_w: int, interp: int) -> np.ndarray:
    planes = [
        np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize((new_w, new_h), interp))
        for plane in np.moveaxis(array, -1, 0)
    ]
    return np.stack(planes, axis=-1)


def resize_array(img: np.ndarray, new_h: int, new_w: int, interp: int = BILINEAR) -> np.ndarray:
    """Resize an image.

    uint8 images are filtered with antialiasing and agree with Pillow's `resize` to within one gray level. Other dtypes
    are resized in floating point without antialiasing, as in Detectron2; integers are rounded.

    Args:
        img: `(H, W)` or `(H, W, C)`, any number of channels.
        new_h: New height in pixels.
        new_w: New width in pixels.
        interp: One of Pillow's resampling constants: 0 nearest, 1 Lanczos, 2 bilinear, 3 bicubic, 4 box, 5 Hamming.

    Returns:
        `(new_h, new_w)` or `(new_h, new_w, C)` of the dtype of `img`.
    """
    interp = int(interp)
    if interp not in (NEAREST, LANCZOS, BILINEAR, BICUBIC, BOX, HAMMING):
        raise ValueError(f"resize_array: interp must be one of Pillow's constants 0 to 5, got {interp}")
    if new_h < 1 or new_w < 1:
        raise ValueError(f"resize_array: the new size must be positive, got {(new_h, new_w)}")
    if interp == NEAREST or img.dtype == np.bool_:
        return resize_nearest(img, new_h, new_w)
    if img.ndim == 3 and img.strides[2] < 0:
        return resize_array(img[:, :, ::-1], new_h, new_w, interp)[:, :, ::-1]
    if min(img.strides) < 0:
        img = np.ascontiguousarray(img)
    array = img if img.ndim == 3 else img[:, :, None]
    if img.dtype == np.uint8:
        if interp in _TORCH_MODE:
            if not array.flags.writeable:
                array = array.copy()
            resized = _interpolated(array, new_h, new_w, _TORCH_MODE[interp], antialias=True)
        else:
            resized = _resized_by_pillow(array, new_h, new_w, interp)
    else:
        if interp not in _TORCH_MODE:
            raise ValueError(f"resize_array: interp {interp} requires a uint8 image, got {img.dtype}")
        is_float = np.issubdtype(img.dtype, np.floating)
        resized = _interpolated(
            array if img.dtype in (np.float32, np.float64) else array.astype(np.float32),
            new_h,
            new_w,
            _TORCH_MODE[interp],
            antialias=False,
        )
        if not is_float:
            limits = np.iinfo(img.dtype)
            resized = np.clip(np.rint(resized), limits.min, limits.max)
        resized = resized.astype(img.dtype, copy=False)
    return resized if img.ndim == 3 else resized[:, :, 0]
