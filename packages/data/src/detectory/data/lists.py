"""Datasets over lists: packed into shared memory, mapped with a function, sharded among workers."""

import copy
import io
import logging
import pickle
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, IterableDataset, get_worker_info

_logger = logging.getLogger(__name__)

# The number of other samples to try if the mapper returns None.
MAX_RETRIES = 20


class PackedList(Sequence):
    """A list with its items pickled into one tensor, which worker processes share without copying.

    Forked workers share the memory of a plain list only until they read it: every read changes the reference count of
    an object and thus copies its memory page into the worker. With millions of small objects each worker ends up with
    a full copy. A single buffer stays shared, and torch passes it to spawned workers as shared memory.

    Args:
        items: Objects that can be pickled.
    """

    def __init__(self, items: Iterable[Any]) -> None:
        buffer, ends = io.BytesIO(), [0]
        for item in items:
            buffer.write(pickle.dumps(item, protocol=5))
            ends.append(buffer.tell())
        self._bytes = torch.from_numpy(np.frombuffer(buffer.getbuffer(), dtype=np.uint8).copy())
        self._ends = torch.tensor(ends, dtype=torch.int64)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: Any) -> Any:
        """Return a new copy of one item; a slice returns a list of copies."""
        size = len(self)
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(size))]
        position = index + size if index < 0 else index
        if not 0 <= position < size:
            raise IndexError(f"index {index} is out of range for {size} items")
        start, end = int(self._ends[position]), int(self._ends[position + 1])
        return pickle.loads(self._bytes[start:end].numpy().data)

    @property
    def nbytes(self) -> int:
        """The size of the buffer in bytes."""
        return self._bytes.numel()


class JoinedList(Sequence):
    """The lazy concatenation of several sequences.

    Args:
        parts: Sequences; an item is read from its part on access.
    """

    def __init__(self, parts: Sequence[Sequence[Any]]) -> None:
        self.parts = list(parts)
        self._ends = np.cumsum([len(part) for part in self.parts])

    def __len__(self) -> int:
        return int(self._ends[-1]) if self.parts else 0

    def __getitem__(self, index: Any) -> Any:
        """Return one item; a slice returns a list."""
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f"index {index} is out of range for {len(self)} items")
        part = int(np.searchsorted(self._ends, position, side="right"))
        return self.parts[part][int(position - (self._ends[part - 1] if part else 0))]


class DatasetFromList(Dataset):
    """A list as a torch dataset.

    Args:
        lst: The items.
        copy: Whether to return deep copies, so that modifying a sample does not modify the list.
        serialize: Whether to pack the items into one buffer that all worker processes share (`PackedList`). Every
            access then returns a new copy, regardless of `copy`. Lazy sequences other than lists are not packed.
    """

    def __init__(self, lst: Sequence[Any], copy: bool = True, serialize: bool = True) -> None:
        self._copy = copy
        self._is_packed = serialize and isinstance(lst, (list, tuple))
        self._lst = PackedList(lst) if self._is_packed else lst

    def __len__(self) -> int:
        return len(self._lst)

    def __getitem__(self, idx: int) -> Any:
        """Return one item."""
        item = self._lst[idx]
        return copy.deepcopy(item) if self._copy and not self._is_packed else item


def map_with_retries(dataset: Any, function: Callable[[Any], Any], index: int) -> Any:
    """Map a sample; while the function returns None, try a random other sample, at most `MAX_RETRIES` times."""
    mapped = function(dataset[index])
    tried = [index]
    while mapped is None:
        if len(tried) > MAX_RETRIES:
            raise RuntimeError(
                f"MapDataset: the mapper returned None for the samples {tried} in a row. "
                "A mapper may return None only for rare invalid samples"
            )
        index = random.randrange(len(dataset))
        tried.append(index)
        mapped = function(dataset[index])
    if len(tried) > 1:
        _logger.warning("the mapper returned None for sample %d; sample %d replaces it", tried[0], tried[-1])
    return mapped


class _MappedIterable(IterableDataset):
    """An iterable dataset with a function applied to every item; items for which it returns None are skipped."""

    def __init__(self, dataset: Iterable[Any], function: Callable[[Any], Any]) -> None:
        self._dataset, self._map_func = dataset, function

    def __iter__(self) -> Iterator[Any]:
        for item in map(self._map_func, self._dataset):
            if item is not None:
                yield item


class MapDataset(Dataset):
    """A dataset with a function applied to every item.

    Args:
        dataset: A map-style or iterable dataset; the result is of the same style.
        map_func: A function of an item. If it returns None, a random other item is used instead (an iterable dataset
            continues with its next item).
    """

    def __new__(cls, dataset: Any, map_func: Callable[[Any], Any]) -> Any:
        """Return an iterable dataset for an iterable dataset."""
        if isinstance(dataset, IterableDataset):
            return _MappedIterable(dataset, map_func)
        return super().__new__(cls)

    def __getnewargs__(self) -> tuple[Any, Callable[[Any], Any]]:
        return self._dataset, self._map_func

    def __init__(self, dataset: Any, map_func: Callable[[Any], Any]) -> None:
        self._dataset, self._map_func = dataset, map_func

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, idx: int) -> Any:
        """Return one mapped item."""
        return map_with_retries(self._dataset, self._map_func, idx)


class ToIterableDataset(IterableDataset):
    """A map-style dataset as an iterable dataset in the order of a sampler.

    Args:
        dataset: A map-style dataset.
        sampler: Yields indices.
        shard_sampler: Whether to split the indices among the worker processes; otherwise every worker yields all items.
        shard_chunk_size: The number of consecutive indices that go to the same worker.
    """

    def __init__(
        self, dataset: Dataset, sampler: Iterable[int], shard_sampler: bool = True, shard_chunk_size: int = 1
    ) -> None:
        if isinstance(dataset, IterableDataset):
            raise TypeError("ToIterableDataset: dataset must be map-style, got an IterableDataset")
        self.dataset, self.sampler = dataset, sampler
        self.shard_sampler, self.shard_chunk_size = shard_sampler, shard_chunk_size

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        worker_id, workers = (0, 1) if worker is None or not self.shard_sampler else (worker.id, worker.num_workers)
        for position, index in enumerate(self.sampler):
            if position // self.shard_chunk_size % workers == worker_id:
                yield self.dataset[index]

    def __len__(self) -> int:
        return len(self.sampler)  # type: ignore[arg-type]
