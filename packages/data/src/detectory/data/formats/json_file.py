"""JSON reading for dataset files, with parse errors reported as dataset problems."""

import os
from typing import Any

from detectory.core import storage
from detectory.data.problems import DatasetError, Problem


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a UTF-8 JSON file or URL.

    Raises:
        FileNotFoundError: If the file does not exist.
        DatasetError: If the file is not valid UTF-8 JSON; the message has the path and the position.
    """
    try:
        return storage.read_json(path)
    except storage.InvalidJSONError as error:
        raise DatasetError(Problem(error.path, "", "", error.reason)) from error
