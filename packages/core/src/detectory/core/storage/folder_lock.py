"""FolderLock: at most one process at a time writes into a folder."""

import contextlib
import datetime
import errno
import json
import os
import shlex
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from detectory.core.storage.atomic_file import process_is_alive

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_NAME = ".lock"
_HEARTBEAT = 10.0
#: Seconds without a heartbeat after which the holder on another machine counts as dead.
_EXPIRY = 35.0
_UNSUPPORTED = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


class FolderInUseError(RuntimeError):
    """Another process writes into the folder."""


class FolderLock:
    """A lock on a folder, held while the context is open. The same process can acquire a lock several times.

    The file `.lock` in the folder contains the host, the process id, the start time and the command of the holder.
    Within a machine, the operating system releases the lock when the holder ends, however it ends. Not every network
    file system shares such locks between machines, so the holder also updates the modification time of `.lock` every
    10 seconds. If `.lock` was left by another machine, `acquire` watches this heartbeat for up to 35 seconds: a holder
    without a heartbeat is dead, and its lock is replaced.

    Args:
        folder: An existing folder.

    Raises:
        FolderInUseError: If another process holds the lock on entry; the message names the process.
        OSError: If the folder is not writable on entry.

    Example:
        >>> import tempfile
        >>> with FolderLock(tempfile.mkdtemp()) as lock:
        ...     json.loads(lock.path.read_text())["pid"] == os.getpid()
        True
    """

    _held: "dict[Path, FolderLock]" = {}

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.path = Path(folder).resolve() / _NAME
        self._file = -1
        self._count = 0
        self._released = threading.Event()

    @property
    def is_held(self) -> bool:
        """Whether this process holds the lock, through this or another `FolderLock`."""
        owner = self._held.get(self.path)
        return owner is not None and owner._count > 0

    def __enter__(self) -> "FolderLock":
        owner = self._held.setdefault(self.path, self)
        if owner._count == 0:
            try:
                owner._acquire()
            except BaseException:
                del self._held[self.path]
                raise
        owner._count += 1
        return self

    def __exit__(self, *_: object) -> None:
        owner = self._held[self.path]
        owner._count -= 1
        if owner._count == 0:
            del self._held[self.path]
            owner._release()

    def _acquire(self) -> None:
        while True:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                is_locked = _lock(file, self.path)
                # The previous holder may have deleted the file after it was opened here.
                if not _is_same_file(file, self.path):
                    os.close(file)
                    continue
                self._check_previous_holder(file, is_locked)
                _write_holder(file)
            except BaseException:
                os.close(file)
                raise
            break
        self._file = file
        self._released.clear()
        threading.Thread(target=self._beat, name="folder-lock", daemon=True).start()

    def _check_previous_holder(self, file: int, is_locked: bool) -> None:
        """Raise an error if the holder described in the file is alive."""
        holder = _read_holder(file)
        if holder is None:
            return
        is_same_host = holder.get("host") == socket.gethostname()
        if is_same_host and (is_locked or not process_is_alive(int(holder["pid"]))):
            return
        before = os.stat(self.path).st_mtime_ns
        end = time.monotonic() + _EXPIRY
        while time.monotonic() < end:
            time.sleep(min(0.5, _EXPIRY / 10))
            # Opening the file makes a network file system fetch the current attributes.
            with contextlib.suppress(FileNotFoundError), open(self.path, "rb") as current:
                if os.fstat(current.fileno()).st_mtime_ns != before:
                    raise FolderInUseError(_in_use(self.path, holder))
        # POSIX releases a record lock when the process closes any descriptor of the file.
        _lock(file, self.path)

    def _beat(self) -> None:
        while not self._released.wait(_HEARTBEAT):
            with contextlib.suppress(OSError):
                os.utime(self.path)

    def _release(self) -> None:
        self._released.set()
        with contextlib.suppress(OSError):
            if _is_same_file(self._file, self.path):
                self.path.unlink()
        os.close(self._file)
        self._file = -1


def _lock(file: int, path: Path) -> bool:
    """Lock an open file; return False if the file system does not support locks.

    POSIX record locks are used because forked processes, such as data loader workers, do not inherit them.
    """
    if fcntl is None:
        return False
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return False
        if error.errno in (errno.EACCES, errno.EAGAIN):
            raise FolderInUseError(_in_use(path, _read_holder(file) or {})) from None
        raise
    return True


def _is_same_file(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False


def _read_holder(file: int) -> dict[str, Any] | None:
    os.lseek(file, 0, os.SEEK_SET)
    try:
        holder = json.loads(os.read(file, 1 << 16))
    except ValueError:
        # The file is new, or its holder was killed while writing it.
        return None
    return holder if isinstance(holder, dict) and isinstance(holder.get("pid"), int) else None


def _write_holder(file: int) -> None:
    holder = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": shlex.join(sys.argv),
    }
    os.ftruncate(file, 0)
    os.lseek(file, 0, os.SEEK_SET)
    os.write(file, json.dumps(holder).encode())


def _in_use(path: Path, holder: dict[str, Any]) -> str:
    folder = path.parent
    if not holder:
        return f"{folder} is in use by another process"
    is_local = holder.get("host") == socket.gethostname()
    host = "" if is_local else f" on {holder.get('host')}"
    text = f"{folder} is in use by process {holder.get('pid')}{host} since {holder.get('started')}"
    text += f" ({holder['command']})" if holder.get("command") else ""
    if is_local:
        return text
    return f"{text}. If that process does not run any more, delete {path}"
