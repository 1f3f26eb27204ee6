"""Validation of image files: existence, integrity and size."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from detectory.data.images.errors import ImageReadError
from detectory.data.images.jpeg_header import read_jpeg_header
from detectory.data.images.reading import image_size_of_file, read_image
from detectory.data.problems import Problem


@dataclass(frozen=True)
class ImageReference:
    """The place in an annotation file that refers to an image.

    Attributes:
        file: The annotation file.
        place: The record; empty if the whole file is about one image.
        name_field: The field with the name of the image.
        size_field: The field with the size of the image.
        size: `(height, width)` according to the record, or None if unknown or invalid.
    """

    file: str
    place: str = ""
    name_field: str = ""
    size_field: str = ""
    size: tuple[int, int] | None = None


def image_file_problems(path: Path, decode: bool, reference: ImageReference) -> Iterator[Problem]:
    """Yield the problems of an image file.

    Args:
        path: The image.
        decode: Whether to decode the image; otherwise only its header and its end are checked.
        reference: The place that refers to the image.
    """
    if not path.is_file():
        message = f"image {path} does not exist"
        yield Problem(reference.file, reference.place, reference.name_field, message, "missing-image")
        return
    try:
        size = image_size_of_file(path)
        if decode or _needs_decoding(path):
            read_image(path, "RGB")
    except (ImageReadError, OSError) as error:
        yield Problem(str(path), reference.place, "", str(error).removeprefix(f"{path}: "), "damaged-image")
        return
    if reference.size is not None and size != reference.size:
        recorded_height, recorded_width = reference.size
        message = f"{recorded_width} x {recorded_height} pixels, but the image has {size[1]} x {size[0]}: {path}"
        yield Problem(reference.file, reference.place, reference.size_field, message, "image-size")


def _needs_decoding(path: Path) -> bool:
    """Return whether only decoding shows whether an image is valid.

    This holds for JPEG files without end marker, for other files that fail Pillow's check of the file structure, and
    for 32-bit pixels, which may not be convertible to 8 bits.
    """
    with open(path, "rb") as file:
        data = file.read()
    header = read_jpeg_header(data)
    if header is not None:
        return not header.is_complete
    if path.suffix.lower() == ".npy":
        return False
    try:
        with Image.open(path) as image:
            is_deep = image.mode in ("I", "F")
            image.verify()
    except (OSError, SyntaxError, ValueError):
        return True
    return is_deep
