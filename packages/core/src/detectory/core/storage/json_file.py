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
    """Read a JSON file in UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    `NaN` and `Infinity`, which Python and pandas write, are read as floats, so that the caller can report the record
    and the field.

    Args:
        path: A path or URL.

    Raises:
        FileNotFoundError: If the file does not exist.
        InvalidJSONError: If the file has another encoding, is not valid JSON, or is nested too deeply; the message has
            the path, the line and the column.
    """
    name = os.fspath(path)
    with open(local_path(name), "rb") as file:
        data = file.read()
    try:
        # RFC 4627, section 3: the zero bytes among the first four distinguish UTF-8, UTF-16 and UTF-32.
        text = data.decode(json.detect_encoding(data))
        # Large annotation files: free the bytes before the parser allocates its objects.
        del data
        with _collector_paused():
            return json.loads(text)
    except UnicodeDecodeError as error:
        reason = f"not UTF-8: byte {error.object[error.start]:#04x} at offset {error.start}. Save the file as UTF-8"
        raise InvalidJSONError(name, reason) from error
    except json.JSONDecodeError as error:
        raise InvalidJSONError(name, f"not valid JSON: {_cause(error)}") from error
    except ValueError as error:
        raise InvalidJSONError(name, f"not valid JSON: {error}") from error
    except RecursionError as error:
        raise InvalidJSONError(name, "nested too deeply") from error


def _cause(error: json.JSONDecodeError) -> str:
    """Return the message and the position; a comma before a closing bracket is the most common error by hand."""
    before = error.doc[: error.pos].rstrip()
    # Python 3.13 reports the position of the comma, earlier versions that of the bracket.
    comma = len(before) - 1 if before.endswith(",") else error.pos
    if error.doc[comma : comma + 1] == "," and error.doc[comma + 1 :].lstrip()[:1] in ("]", "}"):
        line = error.doc.count("\n", 0, comma) + 1
        return f"trailing comma at line {line}, column {comma - error.doc.rfind(chr(10), 0, comma)}"
    return f"{error.msg} at line {error.lineno}, column {error.colno}"


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
