"""Datasets made of lists: packed into one buffer, mapped by a function, sharded over workers."""

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

logger = logging.getLogger(__name__)

# How many other samples are tried when the mapper refuses one.
RETRIES = 20


class PackedList(Sequence):
    """A list whose items lie pickled in one tensor, which worker processes share instead of copying.

    A list of many small objects is copied page by page into every forked worker, as reading an object changes its
    reference count; one buffer stays shared. It also crosses to spawned workers as shared memory.

    Args:
        items: Anything that can be pickled.
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
        """Return a fresh copy of one item, or a list of those of a slice."""
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
        """Size of the buffer in bytes."""
        return self._bytes.numel()


class JoinedList(Sequence):
    """Several list-like objects, one after the other, whose items are made when they are asked for.

    Args:
        parts: Anything with a length and numbered items.
    """

    def __init__(self, parts: Sequence[Sequence[Any]]) -> None:
        self.parts = list(parts)
        self._ends = np.cumsum([len(part) for part in self.parts])

    def __len__(self) -> int:
        return int(self._ends[-1]) if self.parts else 0

    def __getitem__(self, index: Any) -> Any:
        """Return one item, or a list of those of a slice."""
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
        copy: Whether a deep copy is produced, so that changing a sample leaves the list alone.
        serialize: Whether the items are packed into one buffer that all worker processes share; every item is then a
            fresh copy, whatever `copy` says. A lazy sequence that is no list stays as it is.
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


def mapped_or_other(dataset: Any, function: Callable[[Any], Any], index: int) -> Any:
    """Map a sample; where the function returns None, map another random one, RETRIES times at most."""
    mapped = function(dataset[index])
    tried = [index]
    while mapped is None:
        if len(tried) > RETRIES:
            raise RuntimeError(
                f"MapDataset: the mapper returned None for the samples {tried}, one after the other; "
                "a mapper returns None for rare bad samples only"
            )
        index = random.randrange(len(dataset))
        tried.append(index)
        mapped = function(dataset[index])
    if len(tried) > 1:
        logger.warning("the mapper returned None for sample %d; sample %d takes its place", tried[0], tried[-1])
    return mapped


class _MappedIterable(IterableDataset):
    """An iterable dataset with a function mapped over it; samples for which it returns None are left out."""

    def __init__(self, dataset: Iterable[Any], function: Callable[[Any], Any]) -> None:
        self._dataset, self._map_func = dataset, function

    def __iter__(self) -> Iterator[Any]:
        for item in map(self._map_func, self._dataset):
            if item is not None:
                yield item


class MapDataset(Dataset):
    """A dataset with a function mapped over it.

    Args:
        dataset: A map-style or an iterable dataset; for the latter an iterable one is made.
        map_func: Takes an item. Where it returns None, another random item is used instead, twenty times at most (an
            iterable dataset goes on with its next item).
    """

    def __new__(cls, dataset: Any, map_func: Callable[[Any], Any]) -> Any:
        """Make the iterable kind for iterable datasets."""
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
        return mapped_or_other(self._dataset, self._map_func, idx)


class ToIterableDataset(IterableDataset):
    """A map-style dataset read in a sampler's order, as an iterable dataset.

    Args:
        dataset: The items.
        sampler: Yields indices.
        shard_sampler: Whether each worker process takes only its part of the sampler's indices; without it every
            worker would give all of them.
        shard_chunk_size: How many consecutive indices go to the same worker.
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
        number, count = (0, 1) if worker is None or not self.shard_sampler else (worker.id, worker.num_workers)
        for position, index in enumerate(self.sampler):
            if position // self.shard_chunk_size % count == number:
                yield self.dataset[index]

    def __len__(self) -> int:
        return len(self.sampler)  # type: ignore[arg-type]
