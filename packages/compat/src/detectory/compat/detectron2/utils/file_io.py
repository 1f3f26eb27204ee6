"""Paths and URLs under Detectron2's module path."""

from iopath.common.file_io import PathHandler

from detectory.compat.fvcore.common.file_io import HTTPURLHandler, OneDrivePathHandler, PathManagerBase
from detectory.core.storage import Detectron2ModelHandler as Detectron2Handler
from detectory.core.storage import path_manager

__all__ = [
    "Detectron2Handler",
    "HTTPURLHandler",
    "OneDrivePathHandler",
    "PathHandler",
    "PathManager",
    "PathManagerBase",
]

PathManager = path_manager()
