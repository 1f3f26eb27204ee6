"""The problems of one image file, and of its size against its record."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from detectory.data.images.jpeg_header import read_jpeg_header
from detectory.data.images.reading import ImageReadError, image_size_of_file, read_image
from detectory.data.problems import Problem


def image_file_problems(
    path: Path, decode: bool, record: dict[str, Any] | None, file: str, place: str, fields: tuple[str, str]
) -> Iterator[Problem]:
    """Yield what is wrong with an image.

    Args:
        path: The image.
        decode: Whether it is decoded; otherwise its header and its end are looked at.
        record: Has the `height` and `width` that the image must have; None where they are not known.
        file: The annotation file.
        place: The record in it.
        fields: The names of its fields for the image's name and for its size.
    """
    if not path.is_file():
        yield Problem(file, place, fields[0], f"no such image: {path}")
        return
    try:
        height, width = image_size_of_file(path)
        if decode or _may_be_truncated(path):
            read_image(path)
    except (ImageReadError, OSError) as error:
        yield Problem(str(path), place, "", str(error).removeprefix(f"{path}: "))
        return
    if record is not None and (height, width) != (record["height"], record["width"]):
        message = (
            f"the file is {width} x {height} (width x height), the record says {record['width']} x {record['height']}"
        )
        yield Problem(file, place, fields[1], f"{message}: {path}")


def _may_be_truncated(path: Path) -> bool:
    """Whether a JPEG file has no end marker, or another file fails Pillow's quick check."""
    with open(path, "rb") as file:
        data = file.read()
    header = read_jpeg_header(data)
    if header is not None:
        return not header.is_complete
    if path.suffix.lower() == ".npy":
        return False
    try:
        with Image.open(path) as image:
            image.verify()
    except (OSError, SyntaxError, ValueError):
        return True
    return False
