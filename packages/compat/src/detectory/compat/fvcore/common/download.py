"""File downloads under fvcore's module path."""

import os
from urllib.parse import urlparse

from detectory.core import storage

__all__ = ["download"]


def download(url: str, dir: str, *, filename: str | None = None, progress: bool = True) -> str:
    """Download a file unless it exists, and return its path.

    Args:
        url: URL of the file.
        dir: Folder of the file; created if it does not exist.
        filename: Name of the file; by default the last part of the URL.
        progress: Accepted for compatibility; progress is logged.

    Raises:
        DownloadError: If the download fails.
    """
    del progress
    os.makedirs(dir, exist_ok=True)
    path = os.path.join(dir, filename or os.path.basename(urlparse(url).path))
    if not os.path.exists(path):
        storage.download(url, path)
    return path
