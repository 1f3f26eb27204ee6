"""The endless loader of training batches, which goes on at the very sample after a resume."""

import math
import signal
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any

from torch import Generator
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler, get_worker_info

from detectory.core.distributed import get_rank, get_world_size
from detectory.data.lists import mapped_or_other

from .aspect_ratio import stands_upright
from .rng import sample_seed, seeded_generators
from .shared_memory import SharedSlots
from .worker_init import worker_start

# Where a sample stands in the stream of all processes, and its index in the dataset.
Place = tuple[int, int]


class _SeededSamples(Dataset):
    """Mapped samples, each made with random generators of its own."""

    def __init__(self, dataset: Any, mapper: Callable[[Any], Any]) -> None:
        self.dataset, self.mapper = dataset, mapper
        self.slots: SharedSlots | None = None

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: tuple[int, Place]) -> tuple[Place, Any]:
        seed, place = key
        with seeded_generators(sample_seed(seed, place[0])):
            sample = place, mapped_or_other(self.dataset, self.mapper, place[1])
        return sample if self.slots is None else self.slots.pack(sample)


class _SeededStream(IterableDataset):
    """An iterable dataset whose samples are mapped with random generators of their own."""

    def __init__(self, dataset: Iterable[Any], mapper: Callable[[Any], Any], seed: int) -> None:
        self.dataset, self.mapper, self.seed = dataset, mapper, seed

    def __iter__(self) -> Iterator[tuple[Place, Any]]:
        worker = get_worker_info()
        number, workers = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for count, item in enumerate(self.dataset):
            position = (count * workers + number) * get_world_size() + get_rank()
            with seeded_generators(sample_seed(self.seed, position)):
                mapped = self.mapper(item)
            if mapped is not None:
                yield (position, -1), mapped


class _Keys(Sampler):
    """The keys of samples in order: first those that wait for a full batch, then the sampler's."""

    def __init__(self, sampler: Iterable[int], seed: int) -> None:
        self.sampler, self.seed = sampler, seed
        self.waiting: list[Place] = []
        self.skip = 0

    def __iter__(self) -> Iterator[tuple[int, Place]]:
        for place in chain(self.waiting, self._places()):
            yield self.seed, place

    def _places(self) -> Iterator[Place]:
        if hasattr(self.sampler, "positions"):
            return self.sampler.positions()
        world_size, rank = get_world_size(), get_rank()
        numbered = ((count * world_size + rank, int(index)) for count, index in enumerate(self.sampler))
        return islice(numbered, self.skip, None)


class TrainLoader(DataLoader):
    """Batches for training as lists of mapped samples, made by worker processes.

    Each sample is mapped with random generators seeded by the loader's seed and the sample's place in the stream.
    Thus neither the number of worker processes nor what they did before changes a sample. `state_dict` tells
    the place after the batch that was handed out last, however far workers are ahead, and includes the samples that
    wait for a batch of their aspect ratio.

    Args:
        dataset: A map-style or an iterable torch dataset of unmapped items.
        mapper: Makes a sample from an item; None leaves the sample out.
        sampler: Yields indices; None for iterable datasets. One without `state_dict` must give the same order in
            every run for a resume to be exact.
        batch_size: Samples in one process's batch.
        aspect_ratio_grouping: Whether a batch holds only wide or only upright images; see `width` and `height`.
        seed: Of the random generators; part of the state.
        collate_fn: Turns the list of samples into what is handed out; None leaves it.
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
        self._keys = None if sampler is None else _Keys(sampler, seed)
        self._samples_per_batch, self._group = batch_size, aspect_ratio_grouping
        self._make_batch = list if collate_fn is None else collate_fn
        self._seed, self._loads = seed, 0
        self._consumed, self._resume_at = 0, 0
        self._waiting: list[Place] = []
        self._resume_waiting: list[Place] = []
        if num_workers > 0:
            kwargs.setdefault("prefetch_factor", max(2, math.ceil(2 * batch_size / num_workers)))
        # A generator of its own: DataLoader would draw from the training's at every start.
        kwargs.setdefault("generator", Generator().manual_seed(seed))
        self._samples: _SeededStream | _SeededSamples = (
            _SeededStream(dataset, mapper, seed) if sampler is None else _SeededSamples(dataset, mapper)
        )
        kwargs["worker_init_fn"] = worker_start(kwargs.get("worker_init_fn"))
        super().__init__(
            self._samples, batch_size=None, sampler=self._keys, num_workers=num_workers, collate_fn=_as_it_is, **kwargs
        )

    def __len__(self) -> int:
        """Raise: training batches never end."""
        raise TypeError("TrainLoader has no length: its batches never end")

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # torch's stub wants its private class
        """Yield batches from the loaded state on, or from the beginning; a later load moves a running iterator too."""
        while True:
            loads = self._loads
            for batch in self._batches():
                yield batch
                if loads != self._loads:
                    break
            else:
                return

    def _open_slots(self) -> None:
        """Give the workers that are about to start slots of their own."""
        samples = self._samples
        if isinstance(samples, _SeededStream) or not self.prefetch_factor or not getattr(self, "in_order", True):
            return
        if samples.slots is None or not self.persistent_workers:
            samples.slots = SharedSlots(self.num_workers, self.prefetch_factor + 1)

    def _arrivals(self) -> Iterator[tuple[bool, Place, Any]]:
        """Yield (whether it waited at the resume, place, sample) in order."""
        left_over = set(self._resume_waiting)
        self._open_slots()
        for number, (place, sample) in enumerate(_with_cause_of_death(super().__iter__())):
            if self._keys is not None:
                yield number < len(left_over), place, sample
            elif place in left_over:
                yield True, place, sample
            elif number >= self._resume_at:
                yield False, place, sample

    def _batches(self) -> Iterator[Any]:
        groups: dict[bool, list[tuple[Place, Any]]] = {False: [], True: []}
        to_come = list(self._resume_waiting)
        consumed = self._resume_at
        self._consumed, self._waiting = consumed, to_come
        for waited, place, sample in self._arrivals():
            if waited:
                to_come = to_come[1:]
            else:
                consumed += 1
            group = groups[stands_upright(sample) if self._group else False]
            group.append((place, sample))
            if len(group) == self._samples_per_batch:
                batch = [waiting for _, waiting in group]
                group.clear()
                self._consumed = consumed
                self._waiting = sorted([*to_come, *(p for members in groups.values() for p, _ in members)])
                yield self._make_batch(batch)

    def state_dict(self) -> dict[str, Any]:
        """Describe the place after the last batch that was handed out; plain numbers, lists and dicts."""
        sampler: Any = getattr(self._keys, "sampler", None)
        state: dict[str, Any] = {
            "seed": self._seed,
            "consumed": self._consumed,
            "waiting": [list(place) for place in self._waiting],
        }
        if hasattr(sampler, "state_dict"):
            # The sampler itself stands where the iteration began.
            state["sampler"] = sampler.state_dict(self._consumed - self._resume_at)
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on after the batch at which the state was made.

        Raises:
            ValueError: The state was made with another sampler or dataset.
        """
        sampler: Any = getattr(self._keys, "sampler", None)
        if hasattr(sampler, "load_state_dict") != ("sampler" in state):
            raise ValueError("TrainLoader.load_state_dict: the state was made with another kind of sampler")
        if "sampler" in state:
            sampler.load_state_dict(state["sampler"])
        # A state that another process made names samples of its own part of the stream: those are not ours.
        world_size, rank = get_world_size(), get_rank()
        waiting = [(position, index) for position, index in state["waiting"] if position % world_size == rank]
        self._seed, self._loads = state["seed"], self._loads + 1
        self._resume_at, self._resume_waiting = state["consumed"], waiting
        self._consumed, self._waiting = state["consumed"], waiting
        if isinstance(self._samples, _SeededStream):
            self._samples.seed = state["seed"]
        if self._keys is not None:
            self._keys.seed, self._keys.waiting, self._keys.skip = state["seed"], waiting, state["consumed"]


def _with_cause_of_death(iterator: Iterator[Any]) -> Iterator[Any]:
    """Say how a worker process ended, where torch says only that it did."""
    try:
        yield from iterator
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker (pid"):
            raise
        codes = [worker.exitcode for worker in getattr(iterator, "_workers", [])]
        ends = [_cause_of_death(code) for code in codes if code]
        if not ends:
            raise
        raise RuntimeError(f"TrainLoader: a worker process {ends[0]} ({error})") from error


def _cause_of_death(code: int) -> str:
    if code > 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    hint = {"SIGKILL": ", which the system sends when memory runs out", "SIGBUS": ", often because /dev/shm is full"}
    return f"was killed by {name}{hint.get(name, '')}"


def _as_it_is(sample: Any) -> Any:
    """Keep DataLoader from turning arrays into tensors."""
    return sample
