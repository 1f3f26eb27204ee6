"""Index files: named NumPy arrays in one file that processes map into memory instead of reading it.

Format: a magic line with the version, the length of the header (8 bytes, little-endian), the header (JSON: dtype, shape
and offset per array, and a dict of facts), then the raw arrays. Arrays are aligned to 64 bytes, a cache line, as in
Apache Arrow and `numpy.save`.
"""

import hashlib
import json
import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np

from detectory.core.storage import atomic_write, cache_dir

# Change the version when the arrays change: files of other versions are then rebuilt.
_MAGIC = b"detectory index 4\n"
_ALIGNMENT = 64
# Bytes that `_content_key` hashes at the start, in the middle and at the end of a file.
_SAMPLE = 65536


def write_index(path: str | os.PathLike[str], arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
    """Write an index file atomically.

    Args:
        path: The file.
        arrays: Arrays of any numeric dtype, contiguous or not.
        facts: A JSON-serializable dict.
    """
    table, offset = {}, 0
    for name, array in arrays.items():
        table[name] = [array.dtype.str, list(array.shape), offset]
        offset += _aligned(array.nbytes)
    header = json.dumps({"arrays": table, "facts": facts}).encode()
    with atomic_write(path) as file:
        file.write(_MAGIC + len(header).to_bytes(8, "little") + header)
        file.write(b"\0" * (-file.tell() % _ALIGNMENT))
        for array in arrays.values():
            file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
            file.write(b"\0" * (-file.tell() % _ALIGNMENT))


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


class MappedIndex:
    """The arrays of an index file, mapped read-only. Pickling stores only the path.

    Args:
        path: A file written by `write_index`.

    Attributes:
        path: The file.
        arrays: The arrays by name.
        facts: The dict that was written with the arrays.

    Raises:
        ValueError: If the file is not an index file of this version, or truncated.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        with open(self.path, "rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise ValueError(f"{self.path}: not an index file of this version")
            header = file.read(int.from_bytes(file.read(8), "little"))
            start = _aligned(file.tell())
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        content = json.loads(header)
        self.facts: dict[str, Any] = content["facts"]
        self.arrays = {
            name: np.frombuffer(self._map, dtype, int(np.prod(shape)), start + offset).reshape(shape)
            for name, (dtype, shape, offset) in content["arrays"].items()
        }

    def release(self) -> None:
        """Unmap the pages that were touched; a later access gets them from the system's page cache again.

        Touched pages, and their neighbours by read-ahead, count towards the resident memory of a process. Without a
        release every worker that reads a dataset in random order would appear to occupy the whole file.
        """
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return MappedIndex, (self.path,)


def index_path(path: str | os.PathLike[str], variant: str) -> Path:
    """Return the path of the index of a file: next to the file, or in the cache if that folder is not writable.

    The name contains a key of the content, so that a changed file gets a new index.

    Args:
        path: The indexed file.
        variant: A name for the options that the index was built with.
    """
    source = Path(path).resolve()
    folder = source.parent
    if not os.access(folder, os.W_OK):
        folder = Path(cache_dir()) / "indices" / hashlib.blake2b(str(folder).encode(), digest_size=8).hexdigest()
    return folder / f".{source.name}.{variant}.{_content_key(source)}.index"


def _content_key(path: Path) -> str:
    """Return a hash of the version of the index format and of the file's size, modification time and three samples.

    Hashing the whole file would take longer than opening the index.
    """
    size, digest = os.path.getsize(path), hashlib.blake2b(_MAGIC, digest_size=12)
    digest.update(f"{size}:{os.stat(path).st_mtime_ns}".encode())
    with open(path, "rb") as file:
        for offset in (0, size // 2, max(size - _SAMPLE, 0)):
            file.seek(offset)
            digest.update(file.read(_SAMPLE))
    return digest.hexdigest()
