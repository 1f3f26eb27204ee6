"""Image files opened with Pillow, including HEIC files with pillow-heif."""

import functools
import os
from typing import BinaryIO

from PIL import Image

from .errors import ImageReadError

_ORIENTATION, _TIFF_WIDTH, _TIFF_HEIGHT = 0x0112, 256, 257
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def open_image(file: str | os.PathLike[str] | BinaryIO, name: str, start: bytes) -> Image.Image:
    """Open an image file lazily.

    Args:
        file: The path, or an open file.
        name: The file name, for error messages.
        start: The first bytes of the file, at least 12.

    Raises:
        ImageReadError: If the file is a HEIC image and pillow-heif is not installed.
    """
    if start[4:8] == b"ftyp" and start[8:12] in _HEIC_BRANDS and not _has_heic_plugin():
        raise ImageReadError(f"{name}: HEIC images require pillow-heif: pip install 'detectory-data[heic]'")
    return Image.open(file)


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Return the `(height, width)` of an opened image after its orientation is applied."""
    width, height = image.size
    if image.format == "TIFF":
        # Depending on the version, Pillow swaps the size of rotated TIFF files when it opens or when it loads them.
        tags = image.tag_v2  # type: ignore[attr-defined]
        width, height = int(tags[_TIFF_WIDTH]), int(tags[_TIFF_HEIGHT])
    is_transposed = image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
    return (width, height) if is_transposed else (height, width)


@functools.cache
def _has_heic_plugin() -> bool:
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True
