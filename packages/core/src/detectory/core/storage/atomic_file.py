"""Atomic file writes: a file has either its old content or all of the new."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import IO

TEMPORARY_SUFFIX = ".unfinished"


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str], mode: str = "wb") -> Iterator[IO]:
    """Open a temporary file for writing that replaces `path` when the block ends without an error.

    The temporary file is in the same folder. It is flushed to disk (`fsync`) and renamed, and the folder is flushed
    too, so `path` has either its old content or all of the new after an exception, a full disk, a killed process or a
    power failure. Missing folders are created.

    Args:
        path: The file to write.
        mode: `"wb"` for bytes, `"w"` for UTF-8 text.

    Yields:
        The open temporary file.

    Raises:
        OSError: If the file cannot be written, for example because the disk is full; the message names `path` and
            states that it is unchanged.
        ValueError: If `mode` is neither `"wb"` nor `"w"`.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "note.txt"
        >>> with atomic_write(path, "w") as file:
        ...     _ = file.write("complete")
        >>> path.read_text()
        'complete'
    """
    if mode not in ("wb", "w"):
        raise ValueError(f"atomic_write: mode must be 'wb' or 'w', got '{mode}'")
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(target)
    temporary = target.with_name(f".{target.name}.{socket.gethostname()}.{os.getpid()}{TEMPORARY_SUFFIX}")
    try:
        with open(temporary, mode, encoding=None if mode == "wb" else "utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
        _flush_folder(target.parent)
    except OSError as error:
        if error.filename not in (None, str(temporary)):
            raise
        state = "is unchanged" if target.exists() else "was not created"
        raise OSError(error.errno, f"cannot write: {error.strerror}; the file {state}", str(target)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    """Flush a folder so that a rename in it survives a power failure. Only POSIX can open folders."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_leftovers(target: Path) -> None:
    """Remove temporary files for the same target that killed processes of this machine left behind."""
    prefix = f".{target.name}.{socket.gethostname()}."
    for leftover in target.parent.glob(f".{target.name}.*{TEMPORARY_SUFFIX}"):
        process = leftover.name[len(prefix) : -len(TEMPORARY_SUFFIX)]
        if leftover.name.startswith(prefix) and process.isdigit() and not process_is_alive(int(process)):
            leftover.unlink(missing_ok=True)


def process_is_alive(pid: int) -> bool:
    """Return whether a process runs on this machine; always True on Windows."""
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
