"""The infinite, exactly resumable loader of training batches.

How a resume reproduces the same samples:

* All processes share one infinite stream of dataset indices, defined by the sampler. Process `r` of `n` loads the
  entries at the positions `r, r + n, r + 2n, …`.
* The random generators of each sample are seeded by the loader's seed and the sample's position (`rng.py`). A sample
  depends neither on the worker that loads it nor on the samples loaded before.
* The state counts the samples in batches already returned, not those that workers have prefetched. Prefetched samples
  are loaded again after a resume.
* With aspect ratio grouping some samples wait until the batch of their orientation is full. Their stream entries are
  part of the state, and a resumed loader loads them first.
"""

import math
import signal
from collections.abc import Callable, Iterable, Iterator, Sized
from itertools import chain, islice
from typing import Any

from torch import Generator
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler, get_worker_info

from detectory.core.distributed import get_rank, get_world_size
from detectory.data.lists import map_with_retries

from .aspect_ratio import is_portrait
from .rng import sample_seed, seeded_generators
from .shared_memory import SharedSlots
from .worker_init import worker_start

# (position in the stream of all processes, index in the dataset)
StreamEntry = tuple[int, int]


class _SeededSamples(Dataset):
    """A map-style dataset that maps each sample with its own random generators."""

    def __init__(self, dataset: Any, mapper: Callable[[Any], Any]) -> None:
        self.dataset, self.mapper = dataset, mapper
        self.slots: SharedSlots | None = None

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: tuple[int, StreamEntry]) -> tuple[StreamEntry, Any]:
        seed, entry = key
        with seeded_generators(sample_seed(seed, entry[0])):
            sample = entry, map_with_retries(self.dataset, self.mapper, entry[1])
        return sample if self.slots is None else self.slots.pack(sample)


class _SeededStream(IterableDataset):
    """An iterable dataset that maps each sample with its own random generators. The dataset index is always -1."""

    def __init__(self, dataset: Iterable[Any], mapper: Callable[[Any], Any], seed: int) -> None:
        self.dataset, self.mapper, self.seed = dataset, mapper, seed

    def __iter__(self) -> Iterator[tuple[StreamEntry, Any]]:
        worker = get_worker_info()
        worker_id, workers = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for count, item in enumerate(self.dataset):
            position = (count * workers + worker_id) * get_world_size() + get_rank()
            with seeded_generators(sample_seed(self.seed, position)):
                mapped = self.mapper(item)
            if mapped is not None:
                yield (position, -1), mapped


class _KeySampler(Sampler):
    """The keys `(seed, stream entry)` of the samples to load: first those that waited at the resume, then new ones."""

    def __init__(self, sampler: Iterable[int], seed: int) -> None:
        self.sampler, self.seed = sampler, seed
        self.waiting: list[StreamEntry] = []
        self.skip = 0

    def __iter__(self) -> Iterator[tuple[int, StreamEntry]]:
        for entry in chain(self.waiting, self._entries()):
            yield self.seed, entry

    def _entries(self) -> Iterator[StreamEntry]:
        if hasattr(self.sampler, "positions"):
            return self.sampler.positions()
        # A sampler without saved state starts from the beginning: skip what was consumed before the resume.
        world_size, rank = get_world_size(), get_rank()
        entries = ((count * world_size + rank, int(index)) for count, index in enumerate(self.sampler))
        return islice(entries, self.skip, None)


class TrainLoader(DataLoader):
    """A loader of training batches, which are lists of mapped samples; infinite unless the sampler is finite.

    Samples do not depend on the number of worker processes. `state_dict` describes the position after the last batch
    returned, regardless of how many samples the workers have prefetched, including the samples that wait for a batch of
    their orientation.

    Args:
        dataset: A map-style or iterable torch dataset of unmapped items.
        mapper: A function from an item to a sample; None as the result skips the item.
        sampler: Yields indices; None for iterable datasets. A sampler without `state_dict` must yield the same order in
            every run for a resume to be exact.
        batch_size: The number of samples per batch and process.
        aspect_ratio_grouping: Whether batches contain only landscape or only portrait images, by the `width` and
            `height` of the samples.
        seed: The seed of the random generators; part of the state.
        num_workers: The number of worker processes; 0 loads in this process.
        collate_fn: A function from the list of samples to the batch; by default the list is the batch.
        kwargs: Further arguments of `torch.utils.data.DataLoader`.
    """

    def __init__(
        self,
        dataset: Any,
        mapper: Callable[[Any], Any],
        sampler: Iterable[int] | None,
        *,
        batch_size: int,
        aspect_ratio_grouping: bool,
        seed: int,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self._keys = None if sampler is None else _KeySampler(sampler, seed)
        self._samples_per_batch = batch_size
        self._group = aspect_ratio_grouping
        self._make_batch = list if collate_fn is None else collate_fn
        self._seed = seed
        # The number of states loaded so far, by which a running iterator notices a new one.
        self._loads = 0
        # The samples of this process in the batches returned so far, and the entries that wait for a full batch.
        self._consumed = 0
        self._waiting: list[StreamEntry] = []
        # The same at the start of the current iteration.
        self._resume_at = 0
        self._resume_waiting: list[StreamEntry] = []
        if num_workers > 0:
            # DataLoader counts in samples here (batch_size=None): prefetch two batches, split among the workers.
            kwargs.setdefault("prefetch_factor", max(2, math.ceil(2 * batch_size / num_workers)))
        # Without its own generator, DataLoader would draw from the global generator at every start.
        kwargs.setdefault("generator", Generator().manual_seed(seed))
        self._samples: _SeededStream | _SeededSamples = (
            _SeededStream(dataset, mapper, seed) if sampler is None else _SeededSamples(dataset, mapper)
        )
        kwargs["worker_init_fn"] = worker_start(kwargs.get("worker_init_fn"))
        super().__init__(
            self._samples,
            batch_size=None,
            sampler=self._keys,
            num_workers=num_workers,
            collate_fn=_unchanged,
            **kwargs,
        )

    def __len__(self) -> int:
        """Return the number of full batches of a finite sampler.

        Raises:
            TypeError: If the sampler has no length, or the batches depend on the orientations of the images.
        """
        sampler = None if self._keys is None else self._keys.sampler
        if self._group or not isinstance(sampler, Sized):
            raise TypeError("TrainLoader: an infinite loader or one with aspect ratio grouping has no length")
        return len(sampler) // self._samples_per_batch

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # torch's stub requires its private iterator class
        """Yield batches from the loaded state on. A state loaded later also moves a running iterator."""
        while True:
            loads = self._loads
            for batch in self._batches():
                yield batch
                if loads != self._loads:
                    break
            else:
                return

    def _open_slots(self) -> None:
        """Allocate the shared-memory slots of the workers that are about to start."""
        samples = self._samples
        if isinstance(samples, _SeededStream) or not self.prefetch_factor or not getattr(self, "in_order", True):
            return
        if samples.slots is None or not self.persistent_workers:
            context = self.multiprocessing_context
            is_forked = None if context is None else context.get_start_method() == "fork"
            samples.slots = SharedSlots(self.num_workers, self.prefetch_factor + 1, is_forked)

    def _arrivals(self) -> Iterator[tuple[bool, StreamEntry, Any]]:
        """Yield (whether the sample waited at the resume, stream entry, sample) in order."""
        left_over = set(self._resume_waiting)
        self._open_slots()
        for count, (entry, sample) in enumerate(_explain_worker_exit(super().__iter__())):
            if self._keys is not None:
                yield count < len(left_over), entry, sample
            elif entry in left_over:
                # An iterable dataset cannot skip: its samples are loaded again and those consumed are discarded.
                yield True, entry, sample
            elif count >= self._resume_at:
                yield False, entry, sample

    def _batches(self) -> Iterator[Any]:
        groups: dict[bool, list[tuple[StreamEntry, Any]]] = {False: [], True: []}
        not_arrived = list(self._resume_waiting)
        consumed = self._resume_at
        self._consumed, self._waiting = consumed, not_arrived
        for waited, entry, sample in self._arrivals():
            if waited:
                not_arrived = not_arrived[1:]
            else:
                consumed += 1
            group = groups[is_portrait(sample) if self._group else False]
            group.append((entry, sample))
            if len(group) == self._samples_per_batch:
                batch = [member for _, member in group]
                group.clear()
                # Update the state before the yield: the caller saves it while this generator is suspended.
                self._consumed = consumed
                self._waiting = sorted([*not_arrived, *(e for members in groups.values() for e, _ in members)])
                yield self._make_batch(batch)

    def state_dict(self) -> dict[str, Any]:
        """Return the position after the last batch returned, as plain numbers, lists and dicts."""
        sampler: Any = getattr(self._keys, "sampler", None)
        state: dict[str, Any] = {
            "seed": self._seed,
            "consumed": self._consumed,
            "waiting": [list(entry) for entry in self._waiting],
        }
        if hasattr(sampler, "state_dict"):
            # The sampler does not count: its position is still that of the start of the iteration.
            state["sampler"] = sampler.state_dict(self._consumed - self._resume_at)
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue after the batch at which the state was saved.

        Raises:
            ValueError: If the state belongs to another sampler class or another dataset.
        """
        sampler: Any = getattr(self._keys, "sampler", None)
        if hasattr(sampler, "load_state_dict") != ("sampler" in state):
            raise ValueError("TrainLoader.load_state_dict: the state was saved with another sampler class")
        if "sampler" in state:
            sampler.load_state_dict(state["sampler"])
        # A state saved by another process contains waiting entries of that process; drop them.
        world_size, rank = get_world_size(), get_rank()
        waiting = [(position, index) for position, index in state["waiting"] if position % world_size == rank]
        self._seed = state["seed"]
        self._loads += 1
        self._resume_at = self._consumed = state["consumed"]
        self._resume_waiting = self._waiting = waiting
        if isinstance(self._samples, _SeededStream):
            self._samples.seed = state["seed"]
        if self._keys is not None:
            self._keys.seed = state["seed"]
            self._keys.waiting = waiting
            self._keys.skip = state["consumed"]


def _explain_worker_exit(iterator: Iterator[Any]) -> Iterator[Any]:
    """Add the exit code or signal to torch's error about a dead worker process."""
    try:
        yield from iterator
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker (pid"):
            raise
        codes = [worker.exitcode for worker in getattr(iterator, "_workers", [])]
        reasons = [_exit_reason(code) for code in codes if code]
        if not reasons:
            raise
        raise RuntimeError(f"TrainLoader: a worker process {reasons[0]} ({error})") from error


def _exit_reason(code: int) -> str:
    if code > 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    hint = {"SIGKILL": ", usually because the system ran out of memory", "SIGBUS": ", often because /dev/shm is full"}
    return f"was killed by {name}{hint.get(name, '')}"


def _unchanged(sample: Any) -> Any:
    """Replace torch's default collate function, which converts arrays to tensors."""
    return sample
