"""Writes predictions to files image by image, so that no more than one image's entries are in memory."""

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
        comma = ""
        for entries in images:
            if entries:
                file.write(comma + json.dumps(entries)[1:-1])
                comma = ", "
        file.write("]")


def save_predictions(path: str | os.PathLike, images: Iterable[Mapping[str, Any]]) -> None:
    """Write what `torch.load` reads as a list of dicts, one an image, of plain values."""
    with atomic_write(path) as file:
        torch.save(images, file, pickle_module=_PicklesItems)


class _PicklesItems:
    """What `torch.save` takes for the module `pickle`: one that writes any iterable as a list, item by item."""

    class Pickler:
        def __init__(self, file: BinaryIO, protocol: int) -> None:
            self._file, self._protocol = file, protocol

        def dump(self, items: Iterable[Any]) -> None:
            self._file.write(pickle.PROTO + bytes([self._protocol]) + pickle.EMPTY_LIST)
            for item in items:
                # A pickle without its first two bytes, the protocol, and its last, the end, leaves its object on the
                # reader's stack. What it memorises has the numbers of the items before, which nothing refers to again.
                self._file.write(pickle.dumps(item, self._protocol)[2:-1] + pickle.APPEND)
            self._file.write(pickle.STOP)
