"""Search for image files in folders."""

from pathlib import Path

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff"),
    *(".avif", ".heic", ".heif", ".jp2", ".mpo"),
)
"""Suffixes of image files in lower case. `.heic` and `.heif` require the extra `heic`."""


def images_below(folder: Path) -> list[Path]:
    """Return the images in a folder and its subfolders, sorted by path.

    Raises:
        FileNotFoundError: If the folder contains no images.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise FileNotFoundError(f"no images ({', '.join(IMAGE_SUFFIXES)}) below {folder}")
    return files
