"""Dataset wrappers under Detectron2's module path."""

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import cloudpickle
import torch

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


def _shard_iterator_dataloader_worker(iterable: Iterable[Any]) -> Iterator[Any]:
    """Yield the samples of this data loader worker, every n-th of n workers."""
    worker = torch.utils.data.get_worker_info()
    if worker is None:
        yield from iterable
    else:
        yield from itertools.islice(iterable, worker.id, None, worker.num_workers)


class _MapIterableDataset(torch.utils.data.IterableDataset):
    """An iterable dataset mapped by a function; samples mapped to None are skipped."""

    def __init__(self, dataset: Iterable[Any], map_func: Callable[[Any], Any]) -> None:
        self._dataset = dataset
        self._map_func = PicklableWrapper(map_func)

    def __len__(self) -> int:
        return len(self._dataset)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        return (sample for sample in map(self._map_func, self._dataset) if sample is not None)


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
