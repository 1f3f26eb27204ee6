"""Paths and addresses under one face: local files, https://, file://, detectron2:// and hf:// give a local path."""

import hashlib
import os
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from iopath.common.file_io import NativePathHandler, PathHandler, PathManager

from detectory.core.storage.download import DownloadError, download, file_sha256

DETECTRON2_MODELS = "https://dl.fbaipublicfiles.com/detectron2/"


def cache_dir() -> Path:
    """Return the folder of downloads, which is not made here.

    It is `$DETECTORY_CACHE`, else `$XDG_CACHE_HOME/detectory`, else `~/.cache/detectory`.
    """
    if own := os.environ.get("DETECTORY_CACHE"):
        return Path(own).expanduser()
    shared = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(shared).expanduser() / "detectory"


def cached_path(url: str) -> Path:
    """Return where the cache keeps the file of an address, whether it is there or not."""
    parts = urlsplit(url)
    path = Path(cache_dir(), parts.netloc.replace(":", "_"), *unquote(parts.path).strip("/").split("/"))
    if parts.query:
        # Two addresses that differ in their query are two files.
        path = path.with_name(f"{hashlib.sha256(parts.query.encode()).hexdigest()[:8]}-{path.name}")
    return path


def mirrors(url: str) -> list[str]:
    """Return the addresses to try for `url`: those of `$DETECTORY_MIRRORS` first, the address itself last.

    `DETECTORY_MIRRORS` holds `prefix=replacement` pairs separated by spaces, e.g.
    `https://dl.fbaipublicfiles.com/=https://mirror.example.org/`.

    Raises:
        ValueError: an entry of the variable is no such pair.
    """
    found = []
    for entry in os.environ.get("DETECTORY_MIRRORS", "").split():
        prefix, separator, replacement = entry.partition("=")
        if not separator:
            raise ValueError(f"DETECTORY_MIRRORS: expected prefix=replacement, got '{entry}'")
        if url.startswith(prefix):
            found.append(replacement + url[len(prefix) :])
    return [*found, url]


class WebHandler(PathHandler):
    """Gives files at https:// and http:// addresses as cached, verified downloads."""

    def _get_supported_prefixes(self) -> list[str]:
        return ["https://", "http://"]

    def _get_local_path(self, path: str, force: bool = False, **kwargs: Any) -> str:
        destination = cached_path(path)
        if force:
            destination.unlink(missing_ok=True)
        return str(download(mirrors(path), destination, sha256=kwargs.get("sha256")))

    def _open(self, path: str, mode: str = "r", buffering: int = -1, **kwargs: Any) -> IO:
        if "r" not in mode or "+" in mode:
            raise ValueError(f"open_file: {path} can only be read, got mode '{mode}'")
        return open(self._get_local_path(path), mode, buffering=buffering, **kwargs)

    def _exists(self, path: str, **_: Any) -> bool:
        return cached_path(path).is_file()

    def _isfile(self, path: str, **_: Any) -> bool:
        return cached_path(path).is_file()


class Detectron2ModelHandler(WebHandler):
    """Gives the published models of Detectron2, `detectron2://ImageNetPretrained/MSRA/R-50.pkl`."""

    def _get_supported_prefixes(self) -> list[str]:
        return ["detectron2://"]

    def _get_local_path(self, path: str, force: bool = False, **kwargs: Any) -> str:
        return super()._get_local_path(DETECTRON2_MODELS + path.removeprefix("detectron2://"), force, **kwargs)

    def _exists(self, path: str, **_: Any) -> bool:
        return super()._exists(DETECTRON2_MODELS + path.removeprefix("detectron2://"))

    def _isfile(self, path: str, **_: Any) -> bool:
        return self._exists(path)


class HuggingFaceHandler(PathHandler):
    """Gives files of repositories on the Hugging Face Hub, `hf://owner/repository/folder/model.safetensors`.

    A revision stands behind the repository: `hf://owner/repository@revision/model.safetensors`. The hub's library
    downloads and verifies; its files are in the folder `huggingface` of this cache. With `DETECTORY_OFFLINE=1` only
    what is there is used.
    """

    def _get_supported_prefixes(self) -> list[str]:
        return ["hf://"]

    def _get_local_path(self, path: str, force: bool = False, **kwargs: Any) -> str:
        try:
            from huggingface_hub import hf_hub_download
        except ImportError as error:
            raise ImportError(
                f"local_path: {path} needs the hub's library: pip install 'detectory-core[hf]'"
            ) from error
        owner, repository, file = _hub_parts(path)
        name, _, revision = repository.partition("@")
        found = hf_hub_download(
            repo_id=f"{owner}/{name}",
            filename=file,
            revision=revision or None,
            cache_dir=str(cache_dir() / "huggingface"),
            force_download=force,
            local_files_only=os.environ.get("DETECTORY_OFFLINE", "0") not in ("", "0"),
        )
        expected = kwargs.get("sha256")
        if expected is not None and not file_sha256(found).startswith(expected.lower()):
            raise DownloadError(f"local_path: {path}: expected SHA-256 {expected}, got {file_sha256(found)}")
        return found

    def _open(self, path: str, mode: str = "r", buffering: int = -1, **kwargs: Any) -> IO:
        if "r" not in mode or "+" in mode:
            raise ValueError(f"open_file: {path} can only be read, got mode '{mode}'")
        return open(self._get_local_path(path), mode, buffering=buffering, **kwargs)


def _hub_parts(path: str) -> tuple[str, str, str]:
    """Return owner, repository and file of an `hf://` address."""
    parts = path.removeprefix("hf://").split("/", 2)
    if len(parts) != 3 or not all(parts):
        raise ValueError(f"local_path: expected hf://owner/repository/file, got '{path}'")
    return parts[0], parts[1], parts[2]


class LocalHandler(NativePathHandler):
    """Gives local files, also as `file://` addresses."""

    def _get_supported_prefixes(self) -> list[str]:
        return ["file://"]

    def _get_path_with_cwd(self, path: str) -> str:
        plain = unquote(urlsplit(path).path) if path.startswith("file://") else path
        return super()._get_path_with_cwd(os.path.expanduser(plain))

    def _get_local_path(self, path: str, force: bool = False, **kwargs: Any) -> str:
        self._check_kwargs({key: value for key, value in kwargs.items() if key != "sha256"})
        return os.fspath(self._get_path_with_cwd(path))


def new_path_manager() -> PathManager:
    """Return a path manager that knows local files, web addresses, `detectron2://` and `hf://`."""
    manager = PathManager()
    manager._native_path_handler = LocalHandler()
    for handler in (LocalHandler(), WebHandler(), Detectron2ModelHandler(), HuggingFaceHandler()):
        manager.register_handler(handler)
    return manager


_manager = new_path_manager()


def path_manager() -> PathManager:
    """Return the path manager of this process: `path_manager().register_handler(…)` teaches it another prefix."""
    return _manager


def local_path(url: str | os.PathLike[str], sha256: str | None = None) -> str:
    """Return the local path of a file, downloading it into the cache first when `url` is an address.

    Args:
        url: A path, `https://…`, `http://…`, `file://…`, `detectron2://…`, `hf://…` or any registered prefix.
        sha256: The hash that a download must have, or its first 8 or more digits.

    Raises:
        DownloadError: the file cannot be had, or has another hash.
    """
    arguments = {} if sha256 is None else {"sha256": sha256}
    return _manager.get_local_path(os.fspath(url), **arguments)


def open_file(url: str | os.PathLike[str], mode: str = "r", **kwargs: Any) -> IO:
    """Open a path or an address, which is downloaded first and can only be read; `kwargs` as of `open`."""
    return _manager.open(os.fspath(url), mode, **kwargs)
