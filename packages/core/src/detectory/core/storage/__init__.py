"""File access: verified downloads with a cache, local paths for URLs, JSON files, atomic writes and folder locks."""

from detectory.core.storage.atomic_file import atomic_write
from detectory.core.storage.download import DownloadError, download, file_sha256, hash_in_name
from detectory.core.storage.folder_lock import FolderInUseError, FolderLock
from detectory.core.storage.json_file import InvalidJSONError, read_json
from detectory.core.storage.output_files import OutputFiles
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
from detectory.core.storage.staged_folder import staged_folder
from detectory.core.storage.written_folder import foreign_file, record_files

__all__ = [
    "Detectron2ModelHandler",
    "DownloadError",
    "FolderInUseError",
    "FolderLock",
    "HuggingFaceHandler",
    "InvalidJSONError",
    "OutputFiles",
    "WebHandler",
    "atomic_write",
    "cache_dir",
    "cached_path",
    "download",
    "file_sha256",
    "foreign_file",
    "hash_in_name",
    "local_path",
    "mirrors",
    "new_path_manager",
    "open_file",
    "path_manager",
    "read_json",
    "record_files",
    "staged_folder",
]
