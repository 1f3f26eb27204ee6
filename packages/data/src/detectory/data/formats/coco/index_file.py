"""A file of named arrays that processes map instead of reading: the form in which datasets are cached."""

import hashlib
import json
import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np

from detectory.core.storage import atomic_write, cache_dir

_MAGIC = b"detectory index 2\n"
_ALIGNMENT = 64


def write_index(path: str | os.PathLike[str], arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
    """Write arrays and a JSON object; the file appears whole or not at all.

    Args:
        path: The file.
        arrays: Contiguous or not, of any numeric dtype.
        facts: Anything that JSON can hold.
    """
    table, start = {}, 0
    for name, array in arrays.items():
        table[name] = [array.dtype.str, list(array.shape), start]
        start += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
    head = json.dumps({"arrays": table, "facts": facts}).encode()
    with atomic_write(path) as file:
        file.write(_MAGIC + len(head).to_bytes(8, "little") + head)
        file.write(b"\0" * (-file.tell() % _ALIGNMENT))
        for array in arrays.values():
            file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
            file.write(b"\0" * (-file.tell() % _ALIGNMENT))


class MappedIndex:
    """The arrays of an index file, mapped read-only; pickling it passes the path.

    Args:
        path: A file from `write_index`.

    Raises:
        ValueError: The file is none, or is cut off.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        with open(self.path, "rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise ValueError(f"{self.path}: no index file of this version")
            head = file.read(int.from_bytes(file.read(8), "little"))
            start = -(-file.tell() // _ALIGNMENT) * _ALIGNMENT
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        content = json.loads(head)
        self.facts: dict[str, Any] = content["facts"]
        self.arrays = {
            name: np.frombuffer(self._map, dtype, int(np.prod(shape)), start + offset).reshape(shape)
            for name, (dtype, shape, offset) in content["arrays"].items()
        }

    def release(self) -> None:
        """Let go of the pages that were read; what is read again comes from the system's cache of the file.

        Every page that a process touches, and those around it, count as that process's memory. Without this each
        worker that goes through a dataset in random order ends up with all of it.
        """
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return MappedIndex, (self.path,)


def file_key(path: str | os.PathLike[str]) -> str:
    """Name a file's content without reading all of it, and the form of index files.

    The content is told by its size, its time and three parts of it.
    """
    size, digest = os.path.getsize(path), hashlib.blake2b(_MAGIC, digest_size=12)
    digest.update(f"{size}:{os.stat(path).st_mtime_ns}".encode())
    with open(path, "rb") as file:
        for place in (0, size // 2, max(size - 65536, 0)):
            file.seek(place)
            digest.update(file.read(65536))
    return digest.hexdigest()


def index_path(path: str | os.PathLike[str], kind: str) -> Path:
    """Choose where a file's index lies: beside it where that folder can be written, else in the cache.

    The name holds the content's key, so that a changed file gets another index.
    """
    source = Path(path).resolve()
    folder = source.parent
    if not os.access(folder, os.W_OK):
        folder = Path(cache_dir()) / "indices" / hashlib.blake2b(str(folder).encode(), digest_size=8).hexdigest()
    return folder / f".{source.name}.{kind}.{file_key(source)}.index"
