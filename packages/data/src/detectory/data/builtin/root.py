"""The root folder of the built-in datasets."""

import os
from collections.abc import Callable
from contextvars import ContextVar
from typing import TypeVar

Value = TypeVar("Value")

_overridden_root: ContextVar[str | None] = ContextVar("_overridden_root", default=None)


def datasets_root() -> str:
    """Return the root folder: `$DETECTORY_DATASETS`, `$DETECTRON2_DATASETS` or `datasets`, the first that is set."""
    if (root := _overridden_root.get()) is not None:
        return root
    root = os.environ.get("DETECTORY_DATASETS") or os.environ.get("DETECTRON2_DATASETS") or "datasets"
    return os.path.expanduser(root)


def with_root(root: str | os.PathLike[str], function: Callable[[], Value]) -> Value:
    """Call a loader or a metadata function of a built-in dataset with a different root folder."""
    token = _overridden_root.set(os.path.expanduser(os.fspath(root)))
    try:
        return function()
    finally:
        _overridden_root.reset(token)


def in_root(path: str) -> str:
    """Return the path of a file or folder of a built-in dataset, given relative to the root folder."""
    return os.path.join(datasets_root(), path)
