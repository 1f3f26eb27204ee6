"""Record of the files in a folder, which shows later whether a file was added or changed.

- `record_files`: writes the record
- `foreign_file`: a file that is missing in the record, or was changed since
"""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

_RECORD = ".detectory-folder.jsonl"


def record_files(folder: str | os.PathLike[str]) -> None:
    """Record size and modification time of all files of a folder in `.detectory-folder.jsonl`."""
    root = Path(folder)
    lines = [json.dumps([name, *_fingerprint(root / name)]) for name in sorted(_files(root))]
    (root / _RECORD).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def foreign_file(folder: str | os.PathLike[str]) -> Path | None:
    """Return a file that `record_files` has not recorded or that was changed since, or None if there is none."""
    root = Path(folder)
    recorded: dict[str, tuple[int, int]] = {}
    with contextlib.suppress(OSError, ValueError, TypeError):
        for line in (root / _RECORD).read_text(encoding="utf-8").splitlines():
            name, size, modified = json.loads(line)
            recorded[name] = (size, modified)
    foreign = (name for name in sorted(_files(root)) if recorded.get(name) != _fingerprint(root / name))
    name = next(foreign, None)
    return None if name is None else root / name


def _files(root: Path) -> Iterator[str]:
    """Yield the relative names of all files, and of links to folders, which are not followed."""
    for folder, subfolders, files in os.walk(root):
        links = [name for name in subfolders if os.path.islink(os.path.join(folder, name))]
        for name in (*files, *links):
            path = Path(folder, name).relative_to(root).as_posix()
            if path != _RECORD:
                yield path


def _fingerprint(path: Path) -> tuple[int, int]:
    status = os.lstat(path)
    return status.st_size, status.st_mtime_ns
