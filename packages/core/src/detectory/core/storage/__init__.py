"""Files: verified downloads with a cache, one face for paths and addresses, writes that are whole or not at all."""

from detectory.core.storage.atomic_file import atomic_write
from detectory.core.storage.download import DownloadError, download, file_sha256, hash_in_name
from detectory.core.storage.paths import (
    Detectron2ModelHandler,
    HuggingFaceHandler,
    WebHandler,
    cache_dir,
    cached_path,
    local_path,
    mirrors,
    new_path_manager,
    open_file,
    path_manager,
)

__all__ = [
    "Detectron2ModelHandler",
    "DownloadError",
    "HuggingFaceHandler",
    "WebHandler",
    "atomic_write",
    "cache_dir",
    "cached_path",
    "download",
    "file_sha256",
    "hash_in_name",
    "local_path",
    "mirrors",
    "new_path_manager",
    "open_file",
    "path_manager",
]
