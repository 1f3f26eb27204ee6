"""Read a JSON file of annotations, or say clearly why not."""

import contextlib
import gc
import json
import os
from collections.abc import Iterator
from typing import Any

from detectory.core.storage import local_path
from detectory.data.problems import DatasetError, Problem


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """Parsing makes millions of lists and no cycles; looking for cycles among them takes as long as the parsing."""
    was_running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_running:
            gc.enable()


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a UTF-8 JSON file or address.

    Raises:
        FileNotFoundError: There is none.
        DatasetError: It is no UTF-8 or no JSON; the message names the file and the place in it.
    """
    name = os.fspath(path)
    with open(local_path(name), "rb") as file:
        data = file.read()
    try:
        text = data.decode("utf-8-sig")
        del data
        with _collector_paused():
            return json.loads(text)
    except UnicodeDecodeError as error:
        message = f"the file is not UTF-8: byte {error.object[error.start]:#04x} at offset {error.start}"
        raise DatasetError(Problem(name, "", "", message)) from error
    except json.JSONDecodeError as error:
        message = f"the file is no JSON: {error.msg} in line {error.lineno}, column {error.colno}"
        raise DatasetError(Problem(name, "", "", message)) from error
    except ValueError as error:
        raise DatasetError(Problem(name, "", "", f"the file is no JSON: {error}")) from error
    except RecursionError as error:
        raise DatasetError(Problem(name, "", "", "the file is nested too deeply to be a dataset")) from error
