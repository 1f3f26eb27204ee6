"""Paths and URLs under Detectron2's module path."""

from iopath.common.file_io import PathHandler

from detectory.compat.fvcore.common.file_io import HTTPURLHandler, OneDrivePathHandler, PathManagerBase
from detectory.core.storage import Detectron2ModelHandler, path_manager

__all__ = [
    "Detectron2Handler",
    "HTTPURLHandler",
    "OneDrivePathHandler",
    "PathHandler",
    "PathManager",
    "PathManagerBase",
]


class Detectron2Handler(Detectron2ModelHandler):
    """Path handler of `detectron2://` paths, with the constants of Detectron2's handler."""

    PREFIX = "detectron2://"
    S3_DETECTRON2_PREFIX = "https://dl.fbaipublicfiles.com/detectron2/"


PathManager = path_manager()
