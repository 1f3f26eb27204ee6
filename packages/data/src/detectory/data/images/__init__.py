"""Decoding of image files into arrays."""

from .reading import (
    ImageReadError,
    SizeMismatchError,
    check_image_size,
    convert_image_to_rgb,
    convert_PIL_to_numpy,
    image_size_of_file,
    read_image,
)

__all__ = [
    "ImageReadError",
    "SizeMismatchError",
    "check_image_size",
    "convert_PIL_to_numpy",
    "convert_image_to_rgb",
    "image_size_of_file",
    "read_image",
]
