"""Search for files in folders, without hidden files such as macOS's `._1.jpg`."""

from pathlib import Path

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff"),
    *(".avif", ".heic", ".heif", ".jp2", ".mpo"),
)
"""Suffixes of image files in lower case. `.heic` and `.heif` require the extra `heic`."""


def files_in(folder: Path, pattern: str) -> list[Path]:
    """Return the files in a folder that match a pattern, sorted by name, without hidden files."""
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))


def files_below(folder: Path, pattern: str) -> list[Path]:
    """Return the files in a folder and its subfolders that match a pattern, sorted, without hidden files."""
    return sorted(path for path in folder.rglob(pattern) if not path.name.startswith("."))


def images_below(folder: Path) -> list[Path]:
    """Return the images in a folder and its subfolders, sorted by path.

    Raises:
        FileNotFoundError: If the folder contains no images.
    """
    files = [path for path in files_below(folder, "*") if path.suffix.lower() in IMAGE_SUFFIXES]
    if not files:
        raise FileNotFoundError(f"no images ({', '.join(IMAGE_SUFFIXES)}) below {folder}")
    return files
