"""Writing of derived files of built-in datasets, without replacing files with other content."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from detectory.core.storage import InvalidJSONError, atomic_write, read_json


def save_png(path: Path, array: np.ndarray, overwrite: bool) -> None:
    """Write a PNG file atomically. An existing file with the same pixels is kept.

    Raises:
        FileExistsError: If the file exists with other content and `overwrite` is not set.
    """
    if path.exists() and not overwrite:
        if _has_pixels(path, array):
            return
        raise FileExistsError(_message(path))
    with atomic_write(path) as file:
        Image.fromarray(array).save(file, format="PNG")


def save_json(path: Path, content: Any, overwrite: bool) -> None:
    """Write a JSON file atomically. An existing file with the same content is kept.

    Raises:
        FileExistsError: If the file exists with other content and `overwrite` is not set.
    """
    text = json.dumps(content)
    if path.exists() and not overwrite:
        if _has_content(path, json.loads(text)):
            return
        raise FileExistsError(_message(path))
    with atomic_write(path, "w") as file:
        file.write(text)


def _has_pixels(path: Path, array: np.ndarray) -> bool:
    try:
        with Image.open(path) as image:
            return np.array_equal(np.asarray(image), array)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False


def _has_content(path: Path, content: Any) -> bool:
    try:
        return bool(read_json(path) == content)
    except (OSError, InvalidJSONError):
        return False


def _message(path: Path) -> str:
    return f"{path} exists with other content. Move the file, or pass --overwrite (in Python: overwrite=True)"
