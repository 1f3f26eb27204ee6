"""Validation of file names in annotation files, which must not refer to files outside the image folder."""

import re
from pathlib import Path, PurePosixPath, PureWindowsPath
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


def name_below(file_name: str, folder: Path) -> str | None:
    r"""Return the longest end of an absolute name, such as `C:\data\images\a.jpg`, that is a file below a folder.

    Args:
        file_name: A name with the separators of POSIX or Windows, also with `..`.
        folder: The image folder.

    Returns:
        The relative name with `/` between folders, or None if there is no such file.
    """
    parts = PureWindowsPath(file_name).parts
    first = max((index + 1 for index, part in enumerate(parts) if part == ".."), default=0)
    for start in range(max(first, 1 if PureWindowsPath(file_name).anchor else 0), len(parts)):
        candidate = "/".join(parts[start:])
        if file_name_problem(candidate) is None and (folder / candidate).is_file():
            return candidate
    return None


def portable_name(file_name: str) -> str:
    r"""Return a file name with `/` between folders; tools on Windows write `train\1.jpg`."""
    return file_name.replace("\\", "/")
