"""Validation of file names in annotation files, which must not refer to files outside the image folder."""

import re
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from detectory.core.text import short_repr

# Fast path for almost all names: without "..", drive letters, backslashes and leading slashes.
_PLAIN_NAME = re.compile(r"[\w-][\w .-]*(/[\w-][\w .-]*)*")


def file_name_problem(file_name: Any) -> str | None:
    """Return why a file name must not be joined to a folder, or None if the name is valid.

    Names are checked with the rules of POSIX and of Windows, whatever the current system is.
    """
    if isinstance(file_name, str) and _PLAIN_NAME.fullmatch(file_name):
        return None
    if not isinstance(file_name, str) or not file_name or "\0" in file_name:
        return f"must be a file name, got {short_repr(file_name)}"
    for path in (PurePosixPath(file_name), PureWindowsPath(file_name)):
        if path.is_absolute() or path.drive or ".." in path.parts:
            return f"must be a path inside the image folder, got {short_repr(file_name)}"
    return None


def portable_name(file_name: str) -> str:
    r"""Return a file name with `/` between folders; tools on Windows write `train\1.jpg`."""
    return file_name.replace("\\", "/")
