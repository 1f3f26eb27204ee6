"""Paths and URLs under fvcore's module path."""

from iopath.common.file_io import PathHandler

from detectory.core.storage import path_manager

__all__ = ["PathHandler", "PathManager"]

PathManager = path_manager()
