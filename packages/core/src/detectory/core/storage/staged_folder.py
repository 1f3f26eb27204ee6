"""staged_folder: a new folder that appears complete or not at all."""

import contextlib
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from detectory.core.storage.atomic_file import TEMPORARY_SUFFIX, process_is_alive
from detectory.core.storage.written_folder import foreign_file


@contextlib.contextmanager
def staged_folder(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary folder that becomes `path` when the block ends without an error.

    After an error, an interrupt or a full disk, the temporary folder is removed and `path` is unchanged. The temporary
    folder is next to `path`. If `path` is an existing empty folder, for example a mounted volume, the temporary folder
    is inside it, and its entries are moved up at the end.

    Args:
        path: A new or empty folder. Missing parent folders are created.
        overwrite: Whether a folder is replaced if all its files were recorded by `record_files` and are unchanged.

    Raises:
        FileExistsError: If `path` is a file or a folder that is not empty or may not be replaced, at the beginning or
            at the end.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "dataset"
        >>> with staged_folder(path) as folder:
        ...     _ = (folder / "labels.txt").write_text("cat")
        >>> [file.name for file in path.iterdir()]
        ['labels.txt']
    """
    target = Path(path)
    if overwrite and target.is_dir() and any(target.iterdir()):
        with _replacing(target) as staged:
            yield staged
        return
    existed = target.is_dir()
    parent, prefix = (target, "") if existed else (target.parent, f".{target.name}")
    parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(parent, prefix)
    _check_empty(target)
    staged = parent / f"{prefix}.{socket.gethostname()}.{os.getpid()}{TEMPORARY_SUFFIX}"
    staged.mkdir()
    try:
        yield staged
        _check_empty(target, staged.name)
        if existed:
            for entry in sorted(staged.iterdir()):
                entry.rename(target / entry.name)
        else:
            staged.rename(target)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


@contextlib.contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    _check_replaceable(target)
    old = target.with_name(f".{target.name}.{socket.gethostname()}.{os.getpid()}.old{TEMPORARY_SUFFIX}")
    new = target.with_name(f".{target.name}.{socket.gethostname()}.{os.getpid()}{TEMPORARY_SUFFIX}")
    _remove_leftovers(target.parent, f".{target.name}")
    new.mkdir()
    try:
        yield new
        _check_replaceable(target)
        target.rename(old)
        try:
            new.rename(target)
        except BaseException:
            old.rename(target)
            raise
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _check_replaceable(target: Path) -> None:
    if target.is_symlink():
        raise FileExistsError(f"{target}: is a link to a folder, which is not replaced")
    if (foreign := foreign_file(target)) is not None:
        raise FileExistsError(
            f"{target}: the folder is not replaced, because {foreign.relative_to(target)} was not written by the "
            "command that wrote the folder, or was changed since"
        )


def _check_empty(target: Path, staged: str = "") -> None:
    if target.is_dir():
        if any(entry.name != staged for entry in target.iterdir()):
            raise FileExistsError(f"{target}: the folder is not empty")
    elif os.path.lexists(target):
        raise FileExistsError(f"{target}: a file with this name exists, expected a new folder")


def _remove_leftovers(parent: Path, prefix: str) -> None:
    """Remove temporary folders that killed processes of this machine left behind."""
    start = f"{prefix}.{socket.gethostname()}."
    for leftover in parent.iterdir():
        if not (leftover.name.startswith(start) and leftover.name.endswith(TEMPORARY_SUFFIX)):
            continue
        process = leftover.name[len(start) : -len(TEMPORARY_SUFFIX)]
        if process.isdigit() and not process_is_alive(int(process)):
            shutil.rmtree(leftover, ignore_errors=True)
