"""Writers of prediction files that hold the entries of one image in memory at a time."""

import json
import os
import pickle
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO

import torch

from detectory.core.storage import atomic_write


def save_results_json(path: str | os.PathLike, images: Iterable[Sequence[Mapping[str, Any]]]) -> None:
    """Write COCO results: one JSON list with the entries of all images."""
    with atomic_write(path, "w") as file:
        file.write("[")
        separator = ""
        for entries in images:
            if entries:
                file.write(separator + json.dumps(entries)[1:-1])
                separator = ", "
        file.write("]")


def save_predictions(path: str | os.PathLike, images: Iterable[Mapping[str, Any]]) -> None:
    """Write a file that `torch.load` reads as a list with one dict of plain values per image."""
    with atomic_write(path) as file:
        torch.save(images, file, pickle_module=_StreamingPickle)


class _StreamingPickle:
    """A replacement for the module `pickle` in `torch.save` that writes any iterable as a list, item by item."""

    class Pickler:
        def __init__(self, file: BinaryIO, protocol: int) -> None:
            self._file = file
            self._protocol = protocol

        def dump(self, items: Iterable[Any]) -> None:
            self._file.write(pickle.PROTO + bytes([self._protocol]) + pickle.EMPTY_LIST)
            for item in items:
                # The pickle of an item without its two-byte protocol header and its final STOP leaves the item on the
                # reader's stack, and APPEND moves it into the list. Each item reuses the memo indices of the items
                # before it; this is safe because no item refers to an earlier one.
                self._file.write(pickle.dumps(item, self._protocol)[2:-1] + pickle.APPEND)
            self._file.write(pickle.STOP)
