"""Decoding of image files into arrays."""

from .errors import ImageReadError
from .folders import IMAGE_SUFFIXES, images_below
from .pixel_range import scale_to_uint8
from .reading import (
    SizeMismatchError,
    check_image_size,
    convert_image_to_rgb,
    convert_PIL_to_numpy,
    decode_image,
    image_size_of_file,
    oriented_rgb,
    read_image,
)

__all__ = [
    "IMAGE_SUFFIXES",
    "ImageReadError",
    "SizeMismatchError",
    "check_image_size",
    "convert_PIL_to_numpy",
    "convert_image_to_rgb",
    "decode_image",
    "image_size_of_file",
    "images_below",
    "oriented_rgb",
    "read_image",
    "scale_to_uint8",
]
