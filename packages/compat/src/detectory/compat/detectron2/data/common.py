"""Dataset wrappers under Detectron2's module path."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import cloudpickle

from detectory.compat.detectron2.utils.serialize import PicklableWrapper
from detectory.data import AspectRatioGroupedDataset, ToIterableDataset
from detectory.data import DatasetFromList as _DatasetFromList
from detectory.data import MapDataset as _MapDataset
from detectory.data.lists import PackedList as NumpySerializedList
from detectory.data.lists import PackedList as TorchSerializedList

__all__ = [
    "AspectRatioGroupedDataset",
    "DatasetFromList",
    "MapDataset",
    "NumpySerializedList",
    "PicklableWrapper",
    "ToIterableDataset",
    "TorchSerializedList",
    "set_default_dataset_from_list_serialize_method",
]

_serializers: list[Callable[[Sequence[Any]], Sequence[Any]]] = []


class MapDataset(_MapDataset):
    """A mapped dataset that pickles any function, including lambdas."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, bytes]]:
        return _restored, (self._dataset, cloudpickle.dumps(self._map_func))


def _restored(dataset: Any, pickled_function: bytes) -> MapDataset:
    return MapDataset(dataset, cloudpickle.loads(pickled_function))


class DatasetFromList(_DatasetFromList):
    """A dataset backed by a list.

    Args:
        lst: The samples.
        copy: Return copies, so that a mapper may modify them.
        serialize: Store the samples in one block of bytes shared by worker processes, or a function that converts the
            list into the sequence to store.
    """

    def __init__(
        self,
        lst: Sequence[Any],
        copy: bool = True,
        serialize: bool | Callable[[Sequence[Any]], Sequence[Any]] = True,
    ) -> None:
        own = serialize if callable(serialize) else None
        if own is None and serialize and _serializers:
            own = _serializers[-1]
        super().__init__(lst if own is None else own(lst), copy=copy, serialize=bool(serialize) and own is None)


@contextlib.contextmanager
def set_default_dataset_from_list_serialize_method(func: Callable[[Sequence[Any]], Sequence[Any]]) -> Iterator[None]:
    """Store the list of every `DatasetFromList` created inside the block as returned by `func`."""
    _serializers.append(func)
    try:
        yield
    finally:
        _serializers.pop()
