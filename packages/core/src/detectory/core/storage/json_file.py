"""Reading of JSON files with precise error messages."""

import contextlib
import gc
import json
import os
from collections.abc import Iterator
from typing import Any

from detectory.core.storage.paths import local_path


class InvalidJSONError(ValueError):
    """A file is not valid JSON.

    Attributes:
        path: The path or URL of the file.
        reason: The cause and its position in the file.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.reason)


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a UTF-8 JSON file, with or without a byte order mark.

    Args:
        path: A path or URL.

    Raises:
        FileNotFoundError: If the file does not exist.
        InvalidJSONError: If the file is not UTF-8, is not valid JSON, or is nested too deeply; the message has the
            path, the line and the column.
    """
    name = os.fspath(path)
    with open(local_path(name), "rb") as file:
        data = file.read()
    try:
        text = data.decode("utf-8-sig")
        # Large annotation files: free the bytes before the parser allocates its objects.
        del data
        with _collector_paused():
            return json.loads(text)
    except UnicodeDecodeError as error:
        reason = f"not UTF-8: byte {error.object[error.start]:#04x} at offset {error.start}"
        raise InvalidJSONError(name, reason) from error
    except json.JSONDecodeError as error:
        reason = f"not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        raise InvalidJSONError(name, reason) from error
    except ValueError as error:
        raise InvalidJSONError(name, f"not valid JSON: {error}") from error
    except RecursionError as error:
        raise InvalidJSONError(name, "nested too deeply") from error


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """Disable the garbage collector: parsing allocates millions of containers, none of them in cycles."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
