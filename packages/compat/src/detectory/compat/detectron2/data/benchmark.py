"""Benchmarks of data loading: reading, mapping and inter-process transfer."""

import itertools
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from detectory.compat.detectron2.utils import comm
from detectory.compat.fvcore.common.timer import Timer
from detectory.data import DatasetFromList, MapDataset, build_batch_data_loader
from detectory.data.samplers import TrainingSampler

__all__ = ["DataLoaderBenchmark", "Timer", "iter_benchmark"]

_logger = logging.getLogger(__name__)


def iter_benchmark(
    iterator: Iterable[Any], num_iter: int, warmup: int = 5, max_time_seconds: float = 60
) -> tuple[float, list[float]]:
    """Measure the time per item of an iterator.

    Args:
        iterator: The iterator to measure.
        num_iter: Maximum number of measured items.
        warmup: Number of items to skip before measuring.
        max_time_seconds: Maximum duration of the measurement.

    Returns:
        The mean time per item and the time of each item, in seconds.

    Raises:
        ValueError: If the iterator ends during the warm-up.
    """
    source = iter(iterator)
    if sum(1 for _ in itertools.islice(source, warmup)) < warmup:
        raise ValueError(f"iter_benchmark: iterator must have at least {warmup + 1} items")
    times: list[float] = []
    timer = Timer()
    while len(times) < num_iter and timer.seconds() < max_time_seconds:
        start = time.perf_counter()
        if next(source, times) is times:
            break
        times.append(time.perf_counter() - start)
    if not times:
        raise ValueError(f"iter_benchmark: iterator must have at least {warmup + 1} items")
    return sum(times) / len(times), times


class DataLoaderBenchmark:
    """Measures the stages of a training loader separately and together.

    Args:
        dataset: The samples, as a list or a torch dataset.
        mapper: Function applied to each sample.
        sampler: Infinite sampler of indices; random by default.
        total_batch_size: Samples per batch.
        num_workers: Number of worker processes.
        max_time_seconds: Maximum duration of each measurement.
    """

    def __init__(
        self,
        dataset: Sequence[Any],
        *,
        mapper: Callable[[Any], Any],
        sampler: Any = None,
        total_batch_size: int,
        num_workers: int = 0,
        max_time_seconds: int = 90,
    ) -> None:
        self.dataset = DatasetFromList(dataset, copy=False) if isinstance(dataset, list) else dataset
        self.mapper = mapper
        self.sampler = TrainingSampler(len(self.dataset)) if sampler is None else sampler
        self.total_batch_size = total_batch_size
        self.num_workers = num_workers
        self.max_time_seconds = max_time_seconds

    def _benchmark(self, iterator: Iterable[Any], num_iter: int, warmup: int, msg: str | None = None) -> float:
        average, times = iter_benchmark(iterator, num_iter, warmup, self.max_time_seconds)
        if msg is not None:
            self._log_time(msg, average, times)
        return average

    def _log_time(self, msg: str, avg: float, all_times: Sequence[float], distributed: bool = False) -> None:
        """Log the mean time per item; with `distributed` of every process."""
        averages = comm.all_gather(avg) if distributed else [avg]
        for rank, seconds in enumerate(averages):
            name = f"{msg} of rank {rank}" if distributed else msg
            rate = 1 / max(seconds, 1e-9)
            _logger.info("%s: %.4f s each, %.1f per second, %d measured", name, seconds, rate, len(all_times))

    def benchmark_dataset(self, num_iter: int, warmup: int = 5) -> float:
        """Return the mean time to read a raw sample, in seconds."""
        return self._benchmark((self.dataset[index] for index in self.sampler), num_iter, warmup, "raw samples")

    def benchmark_mapper(self, num_iter: int, warmup: int = 5) -> float:
        """Return the mean time to read and map a sample in this process, in seconds."""
        mapped = MapDataset(self.dataset, self.mapper)
        return self._benchmark((mapped[index] for index in self.sampler), num_iter, warmup, "mapped samples")

    def benchmark_workers(self, num_iter: int, warmup: int = 10) -> dict[int, float]:
        """Return the mean time per batch in seconds by number of workers: 0 and `num_workers`."""
        counts = sorted({0, self.num_workers})
        return {count: self._benchmark(self._loader(count), num_iter, warmup, f"{count} workers") for count in counts}

    def benchmark_IPC(self, num_iter: int, warmup: int = 10) -> float:
        """Return the mean time in seconds to transfer a mapped batch from a worker process."""
        mapped = MapDataset(self.dataset, self.mapper)
        sample = mapped[next(iter(self.sampler))]
        repeated = MapDataset(DatasetFromList([0] * 1000, serialize=False), lambda _: sample)
        loader = build_batch_data_loader(
            repeated, TrainingSampler(1000), self.total_batch_size, num_workers=max(self.num_workers, 1)
        )
        return self._benchmark(loader, num_iter, warmup, "inter-process transfer")

    def benchmark_distributed(self, num_iter: int, warmup: int = 10) -> float:
        """Return the mean time per batch of the training loader, in seconds."""
        average, times = iter_benchmark(self._loader(self.num_workers), num_iter, warmup, self.max_time_seconds)
        self._log_time("batches", average, times, distributed=True)
        return average

    def _loader(self, num_workers: int) -> Iterable[Any]:
        mapped = MapDataset(self.dataset, self.mapper)
        return build_batch_data_loader(mapped, self.sampler, self.total_batch_size, num_workers=num_workers)
