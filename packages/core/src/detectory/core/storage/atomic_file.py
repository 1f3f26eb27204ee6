"""Files that appear whole or not at all."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_MARK = ".unfinished"


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str], mode: str = "wb") -> Iterator[IO]:
    """Open a file for writing that replaces `path` when the block ends, and only when it ends well.

    The data go to a temporary file in the same folder, which is flushed to the disk and renamed. Whatever happens in
    between, an exception, a full disk, a killed process, a power cut: `path` holds its old content or all of the new.
    Missing folders are made.

    Args:
        path: The file to write.
        mode: `"wb"` for bytes, `"w"` for UTF-8 text.

    Yields:
        The open temporary file.

    Raises:
        OSError: the file cannot be written, e.g. the disk is full; the message names `path` and says that it is
            unchanged.
        ValueError: `mode` is another one.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "note.txt"
        >>> with atomic_write(path, "w") as file:
        ...     _ = file.write("all of it")
        >>> path.read_text()
        'all of it'
    """
    if mode not in ("wb", "w"):
        raise ValueError(f"atomic_write: mode must be 'wb' or 'w', got '{mode}'")
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(target)
    temporary = target.with_name(f".{target.name}.{socket.gethostname()}.{os.getpid()}{_MARK}")
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
        state = "is unchanged" if target.exists() else "was not made"
        raise OSError(error.errno, f"cannot write: {error.strerror}; the file {state}", str(target)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut; only POSIX opens folders."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_leftovers(target: Path) -> None:
    """Remove temporary files that killed processes of this machine left for the same target."""
    prefix = f".{target.name}.{socket.gethostname()}."
    for leftover in target.parent.glob(f".{target.name}.*{_MARK}"):
        process = leftover.name[len(prefix) : -len(_MARK)]
        if leftover.name.startswith(prefix) and process.isdigit() and not _is_alive(int(process)):
            leftover.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
