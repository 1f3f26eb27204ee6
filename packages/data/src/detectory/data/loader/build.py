"""Builders of the loaders for training and evaluation."""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler

from detectory.core.distributed import get_world_size, shared_random_seed
from detectory.data.lists import DatasetFromList, MapDataset
from detectory.data.samplers import InferenceSampler, RepeatFactorTrainingSampler, TrainingSampler

from .shared_memory import free_shared_memory
from .train_loader import TrainLoader
from .worker_init import worker_start

# torch sends every sample of a test loader through /dev/shm; containers have 64 MiB by default.
_MIN_SHARED_MEMORY = 128 << 20
_WORKER_ARGUMENTS = ("prefetch_factor", "persistent_workers", "multiprocessing_context", "timeout")
_logger = logging.getLogger(__name__)


def trivial_batch_collator(batch: list[Any]) -> list[Any]:
    """Return the list of samples as the batch."""
    return batch


def _unchanged(item: Any) -> Any:
    return item


def _per_process(total_batch_size: int) -> int:
    world_size = get_world_size()
    if total_batch_size <= 0 or total_batch_size % world_size:
        raise ValueError(
            f"total_batch_size must be a positive multiple of the number of processes ({world_size}), "
            f"got {total_batch_size}"
        )
    return total_batch_size // world_size


def _as_dataset(dataset: Any) -> Any:
    return dataset if isinstance(dataset, Dataset) else DatasetFromList(dataset, copy=False)


def build_detection_train_loader(
    dataset: Sequence[Any] | Dataset,
    *,
    mapper: Callable[[Any], Any] | None,
    sampler: Iterable[int] | None = None,
    repeat_threshold: float | None = None,
    total_batch_size: int,
    aspect_ratio_grouping: bool = True,
    num_workers: int = 0,
    collate_fn: Callable[[list[Any]], Any] | None = None,
    seed: int | None = None,
    **kwargs: Any,
) -> TrainLoader:
    """Build an infinite loader of training batches.

    Args:
        dataset: Dataset records (see `get_detection_dataset_dicts`), or a map-style or iterable torch dataset.
        mapper: A function from an item to a sample, for example `DatasetMapper(is_train=True, …)`; None returns items
            unchanged.
        sampler: Yields indices of `dataset`. The default is a `TrainingSampler`, an infinite random order that all
            processes share. Must be None for iterable datasets.
        repeat_threshold: Repeat images with rare classes, instead of setting `sampler`: classes in a smaller fraction
            of the images are repeated, see `RepeatFactorTrainingSampler`.
        total_batch_size: The number of samples per batch over all processes; a multiple of the number of processes.
        aspect_ratio_grouping: Whether batches contain only landscape or only portrait images. Samples must be dicts
            with `width` and `height`.
        num_workers: The number of worker processes; 0 loads in this process. Samples and their order do not depend on
            the number of workers, except for iterable datasets.
        collate_fn: A function from the list of samples to the batch; by default the list is the batch.
        seed: The seed of the random numbers in mappers. The default is the sampler's seed, otherwise a random seed that
            all processes share.
        kwargs: Further arguments of `torch.utils.data.DataLoader`, for example `multiprocessing_context`.

    Returns:
        A loader of lists of `total_batch_size / processes` samples, with `state_dict` and `load_state_dict` for an
        exact resume.

    Raises:
        ValueError: If the dataset is empty, the batch size does not match the number of processes, an iterable
            dataset has a sampler, or both `sampler` and `repeat_threshold` are set.
        TypeError: If `sampler` is not a torch sampler.
    """
    batch_size = _per_process(total_batch_size)
    items: Any = dataset
    mapper = _unchanged if mapper is None else mapper
    if sampler is not None and repeat_threshold is not None:
        raise ValueError("build_detection_train_loader: sampler and repeat_threshold cannot both be set")
    if isinstance(dataset, IterableDataset):
        if sampler is not None or repeat_threshold is not None:
            raise ValueError(
                "build_detection_train_loader: sampler and repeat_threshold must be None for iterable datasets"
            )
    else:
        items = _as_dataset(dataset)
        if len(items) == 0:
            raise ValueError("build_detection_train_loader: dataset must not be empty")
        if repeat_threshold is not None:
            factors = RepeatFactorTrainingSampler.repeat_factors_from_category_frequency(items, repeat_threshold)
            sampler = RepeatFactorTrainingSampler(factors, seed=seed)
        elif sampler is None:
            sampler = TrainingSampler(len(items), seed=seed)
        elif not isinstance(sampler, Sampler):
            raise TypeError(
                f"build_detection_train_loader: sampler must be a torch Sampler, got {type(sampler).__name__}"
            )
    if seed is None:
        known = getattr(sampler, "seed", None)
        seed = known if isinstance(known, int) else shared_random_seed()
    return TrainLoader(
        items,
        mapper,
        sampler,
        batch_size=batch_size,
        aspect_ratio_grouping=aspect_ratio_grouping,
        seed=int(seed),
        num_workers=num_workers,
        collate_fn=collate_fn,
        **kwargs,
    )


def build_detection_test_loader(
    dataset: Sequence[Any] | Dataset,
    *,
    mapper: Callable[[Any], Any] | None,
    sampler: Sampler | None = None,
    batch_size: int = 1,
    num_workers: int = 0,
    collate_fn: Callable[[list[Any]], Any] | None = None,
    **kwargs: Any,
) -> DataLoader:
    """Build a loader that returns every sample exactly once over all processes.

    Args:
        dataset: Dataset records, or a map-style or iterable torch dataset.
        mapper: A function from an item to a sample, for example `DatasetMapper(is_train=False, …)`; None returns items
            unchanged.
        sampler: Yields indices of `dataset`. The default is an `InferenceSampler`, which splits the dataset among the
            processes. Must be None for iterable datasets.
        batch_size: The number of samples per batch and process; the last batch may be smaller.
        num_workers: The number of worker processes; 0 loads in this process.
        collate_fn: A function from the list of samples to the batch; by default the list is the batch.
        kwargs: Further arguments of `torch.utils.data.DataLoader`.

    Returns:
        A `DataLoader` that yields lists of samples.
    """
    items: Any = dataset
    if isinstance(dataset, IterableDataset):
        if sampler is not None:
            raise ValueError("build_detection_test_loader: sampler must be None for iterable datasets")
    else:
        items = _as_dataset(dataset)
        sampler = InferenceSampler(len(items)) if sampler is None else sampler
    free = free_shared_memory()
    if num_workers > 0 and free is not None and free < _MIN_SHARED_MEMORY:
        _logger.warning(
            "/dev/shm has only %d MiB, too little for workers: images are loaded in the main process. "
            "Start the container with --shm-size=8g or --ipc=host for faster evaluations",
            free >> 20,
        )
        num_workers = 0
        kwargs = {key: value for key, value in kwargs.items() if key not in _WORKER_ARGUMENTS}
    kwargs["worker_init_fn"] = worker_start(kwargs.get("worker_init_fn"))
    return DataLoader(
        MapDataset(items, _unchanged if mapper is None else mapper),
        batch_size=batch_size,
        sampler=sampler,
        drop_last=False,
        num_workers=num_workers,
        collate_fn=trivial_batch_collator if collate_fn is None else collate_fn,
        **kwargs,
    )


def build_batch_data_loader(
    dataset: Dataset,
    sampler: Sampler | None,
    total_batch_size: int,
    *,
    aspect_ratio_grouping: bool = False,
    num_workers: int = 0,
    collate_fn: Callable[[list[Any]], Any] | None = None,
    **kwargs: Any,
) -> TrainLoader:
    """Build an infinite loader of a dataset that returns mapped samples.

    Args:
        dataset: A map-style or iterable torch dataset.
        sampler: Yields indices; None for iterable datasets.
        total_batch_size: The number of samples per batch over all processes.
        aspect_ratio_grouping: Whether batches contain only landscape or only portrait images.
        num_workers: The number of worker processes; 0 loads in this process.
        collate_fn: A function from the list of samples to the batch.
        kwargs: Further arguments of `torch.utils.data.DataLoader`.
    """
    return build_detection_train_loader(
        dataset,
        mapper=None,
        sampler=sampler,
        total_batch_size=total_batch_size,
        aspect_ratio_grouping=aspect_ratio_grouping,
        num_workers=num_workers,
        collate_fn=collate_fn,
        **kwargs,
    )
