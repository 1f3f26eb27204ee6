"""Paths and URLs under fvcore's module path."""

from iopath.common.file_io import (
    HTTPURLHandler,
    NativePathHandler,
    OneDrivePathHandler,
    PathHandler,
    PathManagerFactory,
    file_lock,
    get_cache_dir,
)
from iopath.common.file_io import PathManager as PathManagerBase

from detectory.core.storage import path_manager

__all__ = [
    "HTTPURLHandler",
    "NativePathHandler",
    "OneDrivePathHandler",
    "PathHandler",
    "PathManager",
    "PathManagerBase",
    "PathManagerFactory",
    "file_lock",
    "get_cache_dir",
]

PathManager = path_manager()
