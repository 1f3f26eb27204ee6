"""The definition of a built-in dataset."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class BuiltinDataset(NamedTuple):
    """The loader and the metadata of a built-in dataset.

    Both functions resolve paths when they are called, so that a change of the root folder takes effect.
    """

    load: Callable[[], Sequence[Any]]
    metadata: Callable[[], dict[str, Any]]
