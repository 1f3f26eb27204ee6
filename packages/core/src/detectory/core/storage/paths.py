"""Path handlers and the cache: local paths for `https://`, `file://`, `detectron2://` and `hf://` URLs."""

import hashlib
import os
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from iopath.common.file_io import NativePathHandler, PathHandler, PathManager

from detectory.core.storage.download import DownloadError, download, file_sha256

DETECTRON2_MODELS = "https://dl.fbaipublicfiles.com/detectron2/"


def cache_dir() -> Path:
    """Return the folder for downloads, without creating it.

    `$DETECTORY_CACHE` if set, else `$XDG_CACHE_HOME/detectory`, else `~/.cache/detectory`.
    """
    if own := os.environ.get("DETECTORY_CACHE"):
        return Path(own).expanduser()
    shared = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(shared).expanduser() / "detectory"


def cached_path(url: str) -> Path:
    """Return the path of a URL's file in the cache, whether or not it exists."""
    parts = urlsplit(url)
    path = Path(cache_dir(), parts.netloc.replace(":", "_"), *unquote(parts.path).strip("/").split("/"))
    if parts.query:
        # URLs that differ only in their query are different files.
        path = path.with_name(f"{hashlib.sha256(parts.query.encode()).hexdigest()[:8]}-{path.name}")
    return path


def mirrors(url: str) -> list[str]:
    """Return the URLs to try for `url`: mirrors from `$DETECTORY_MIRRORS` first, `url` itself last.

    `DETECTORY_MIRRORS` contains `prefix=replacement` pairs separated by spaces, for example
    `https://dl.fbaipublicfiles.com/=https://mirror.example.org/`.

    Raises:
        ValueError: If an entry of the variable is not such a pair.
    """
    urls = []
    for entry in os.environ.get("DETECTORY_MIRRORS", "").split():
        prefix, separator, replacement = entry.partition("=")
        if not separator:
            raise ValueError(f"DETECTORY_MIRRORS: expected prefix=replacement, got '{entry}'")
        if url.startswith(prefix):
            urls.append(replacement + url[len(prefix) :])
    return [*urls, url]


class WebHandler(PathHandler):
    """Resolves `https://` and `http://` URLs to cached, verified downloads."""

    def _get_supported_prefixes(self) -> list[str]:
        return ["https://", "http://"]

    def _get_local_path(self, path: str, force: bool = False, **kwargs: Any) -> str:
        destination = cached_path(path)
        if force:
            destination.unlink(missing_ok=True)
        return str(download(mirrors(path), destination, sha256=kwargs.get("sha256")))

    def _open(self, path: str, mode: str = "r", buffering: int = -1, **kwargs: Any) -> IO:
        if "r" not in mode or "+" in mode:
            raise ValueError(f"open_file: {path} is read-only, got mode '{mode}'")
        return open(self._get_local_path(path), mode, buffering=buffering, **kwargs)

    def _exists(self, path: str, **_: Any) -> bool:
        return cached_path(path).is_file()

    def _isfile(self, path: str, **_: Any) -> bool:
        return cached_path(path).is_file()


class Detectron2ModelHandler(WebHandler):
    """Resolves `detectron2://` URLs of Detectron2's models, such as `detectron2://ImageNetPretrained/MSRA/R-50.pkl`."""

    def _get_supported_prefixes(self) -> list[str]:
        return ["detectron2://"]

    def _get_local_path(self, path: str, force: bool = False, **kwargs: Any) -> str:
        return super()._get_local_path(DETECTRON2_MODELS + path.removeprefix("detectron2://"), force, **kwargs)

    def _exists(self, path: str, **_: Any) -> bool:
        return super()._exists(DETECTRON2_MODELS + path.removeprefix("detectron2://"))

    def _isfile(self, path: str, **_: Any) -> bool:
        return self._exists(path)


class HuggingFaceHandler(PathHandler):
    """Resolves `hf://owner/repository/folder/model.safetensors` URLs of the Hugging Face Hub.

    A revision follows the repository: `hf://owner/repository@revision/model.safetensors`. `huggingface_hub` downloads
    and verifies the files into the subfolder `huggingface` of the cache. With `DETECTORY_OFFLINE=1`, only cached files
    are used.
    """

    def _get_supported_prefixes(self) -> list[str]:
        return ["hf://"]

    def _get_local_path(self, path: str, force: bool = False, **kwargs: Any) -> str:
        try:
            from huggingface_hub import hf_hub_download
        except ImportError as error:
            raise ImportError(
                f"local_path: {path} requires huggingface_hub: pip install 'detectory-core[hf]'"
            ) from error
        owner, repository, file = _hub_parts(path)
        name, _, revision = repository.partition("@")
        file_path = hf_hub_download(
            repo_id=f"{owner}/{name}",
            filename=file,
            revision=revision or None,
            cache_dir=str(cache_dir() / "huggingface"),
            force_download=force,
            local_files_only=os.environ.get("DETECTORY_OFFLINE", "0") not in ("", "0"),
        )
        expected = kwargs.get("sha256")
        if expected is not None and not file_sha256(file_path).startswith(expected.lower()):
            raise DownloadError(f"local_path: {path}: expected SHA-256 {expected}, got {file_sha256(file_path)}")
        return file_path

    def _open(self, path: str, mode: str = "r", buffering: int = -1, **kwargs: Any) -> IO:
        if "r" not in mode or "+" in mode:
            raise ValueError(f"open_file: {path} is read-only, got mode '{mode}'")
        return open(self._get_local_path(path), mode, buffering=buffering, **kwargs)


def _hub_parts(path: str) -> tuple[str, str, str]:
    """Split an `hf://` URL into owner, repository and file."""
    parts = path.removeprefix("hf://").split("/", 2)
    if len(parts) != 3 or not all(parts):
        raise ValueError(f"local_path: url must be like hf://owner/repository/file, got '{path}'")
    return parts[0], parts[1], parts[2]


class LocalHandler(NativePathHandler):
    """Resolves local paths and `file://` URLs."""

    def _get_supported_prefixes(self) -> list[str]:
        return ["file://"]

    def _get_path_with_cwd(self, path: str | os.PathLike[str]) -> str:
        path = os.fspath(path)
        plain = unquote(urlsplit(path).path) if path.startswith("file://") else path
        return super()._get_path_with_cwd(os.path.expanduser(plain))

    def _get_local_path(self, path: str, force: bool = False, **kwargs: Any) -> str:
        self._check_kwargs({key: value for key, value in kwargs.items() if key != "sha256"})
        return os.fspath(self._get_path_with_cwd(path))


def new_path_manager() -> PathManager:
    """Return a path manager for local files, web URLs, `detectron2://` and `hf://`."""
    manager = PathManager()
    manager._native_path_handler = LocalHandler()
    for handler in (LocalHandler(), WebHandler(), Detectron2ModelHandler(), HuggingFaceHandler()):
        manager.register_handler(handler)
    return manager


_manager = new_path_manager()


def path_manager() -> PathManager:
    """Return this process's path manager; add prefixes with `path_manager().register_handler(…)`."""
    return _manager


def local_path(url: str | os.PathLike[str], sha256: str | None = None) -> str:
    """Return the local path of a file, downloading it into the cache first if `url` is remote.

    Args:
        url: A path, `https://…`, `http://…`, `file://…`, `detectron2://…`, `hf://…` or any registered prefix.
        sha256: The expected SHA-256 of a download, or its first 8 or more digits.

    Raises:
        DownloadError: If the file cannot be downloaded or its hash is wrong.
    """
    arguments = {} if sha256 is None else {"sha256": sha256}
    return _manager.get_local_path(os.fspath(url), **arguments)


def open_file(url: str | os.PathLike[str], mode: str = "r", **kwargs: Any) -> IO:
    """Open a path, or a URL for reading, which is downloaded first; `kwargs` are passed to `open`."""
    return _manager.open(os.fspath(url), mode, **kwargs)
