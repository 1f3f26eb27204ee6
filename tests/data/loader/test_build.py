import json
import os
import random
from itertools import islice

import numpy as np
import pytest
import torch
from torch.utils.data import IterableDataset

from detectory.data import (
    AspectRatioGroupedDataset,
    DatasetFromList,
    MapDataset,
    PackedList,
    ToIterableDataset,
    build_detection_test_loader,
    build_detection_train_loader,
)
from detectory.data.samplers import TrainingSampler

RECORDS = [{"image_id": i, "width": 10, "height": 20 if i % 3 else 5} for i in range(17)]


def recording_mapper(record):
    """Return a random number of each global generator."""
    draws = (np.random.rand(), random.random(), torch.rand(1).item())
    return {**record, "draws": draws}


def rejecting_mapper(record):
    return None if record["image_id"] % 4 == 0 else recording_mapper(record)


class Counting(IterableDataset):
    def __iter__(self):
        info = torch.utils.data.get_worker_info()
        start, step = (0, 1) if info is None else (info.id, info.num_workers)
        return iter(RECORDS[i % 17] for i in range(start, 10**6, step))


def loader(workers=0, mapper=recording_mapper, dataset=None, **kwargs):
    dataset = RECORDS if dataset is None else dataset
    return build_detection_train_loader(
        dataset, mapper=mapper, total_batch_size=3, num_workers=workers, **{"seed": 5, **kwargs}
    )


def first(count, of):
    return list(islice(iter(of), count))


def test_grouped_batches_contain_one_orientation():
    for batch in first(20, loader()):
        assert len({item["width"] > item["height"] for item in batch}) == 1
        assert len(batch) == 3


def test_ungrouped_batches_follow_the_sampler():
    batches = first(5, loader(aspect_ratio_grouping=False))
    expected = list(islice(TrainingSampler(17, seed=5), 15))
    assert [item["image_id"] for batch in batches for item in batch] == expected


def test_repeat_threshold_repeats_images_with_rare_classes():
    records = [{**record, "annotations": [{"category_id": int(record["image_id"] == 3)}]} for record in RECORDS]
    batches = first(40, loader(dataset=records, repeat_threshold=0.5, aspect_ratio_grouping=False))
    counts = np.bincount([item["image_id"] for batch in batches for item in batch])
    assert counts[3] > 2 * np.delete(counts, 3).max()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"sampler": TrainingSampler(17)}, "cannot both be set"), ({"dataset": Counting()}, "for iterable datasets")],
)
def test_rejects_a_repeat_threshold_that_cannot_be_used(arguments, message):
    with pytest.raises(ValueError, match=message):
        loader(repeat_threshold=0.5, **arguments)


@pytest.mark.parametrize("workers", [1, 3])
def test_samples_are_independent_of_the_number_of_workers(workers):
    assert first(12, loader(workers)) == first(12, loader(0))


def test_every_epoch_draws_new_random_numbers():
    draws = [item["draws"] for batch in first(20, loader()) for item in batch]
    assert len(set(draws)) == 60


def test_loading_does_not_advance_the_global_generators():
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.random.get_rng_state().tolist()
    first(3, loader())
    first(3, loader(1))
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.random.get_rng_state().tolist()) == before


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("grouping", [True, False], ids=["grouped", "ungrouped"])
@pytest.mark.parametrize("mapper", [recording_mapper, rejecting_mapper])
def test_resume_continues_at_the_next_sample(workers, grouping, mapper):
    expected = first(30, loader(mapper=mapper, aspect_ratio_grouping=grouping))
    for stop in (1, 8, 20):
        stopped = loader(workers, mapper=mapper, aspect_ratio_grouping=grouping)
        iterator = iter(stopped)
        list(islice(iterator, stop))
        resumed = loader(workers, mapper=mapper, aspect_ratio_grouping=grouping, seed=77)
        resumed.load_state_dict(stopped.state_dict())
        assert first(30 - stop, resumed) == expected[stop:]


def test_resumed_run_can_be_resumed_again():
    expected, state = first(12, loader()), loader().state_dict()
    for step in range(6):
        resumed = loader(seed=step)
        resumed.load_state_dict(state)
        assert first(2, resumed) == expected[2 * step : 2 * step + 2]
        state = resumed.state_dict()


def test_loaded_state_moves_a_running_iterator():
    stopped = loader()
    expected = first(6, stopped)
    other = loader(seed=1)
    iterator = iter(other)
    next(iterator)
    other.load_state_dict(loader().state_dict())
    assert list(islice(iterator, 6)) == expected


@pytest.mark.parametrize("workers", [0, 2])
def test_iterable_datasets_resume(workers):
    expected = first(10, loader(workers, dataset=Counting()))
    stopped = loader(workers, dataset=Counting())
    first(4, stopped)
    resumed = loader(workers, dataset=Counting(), seed=8)
    resumed.load_state_dict(stopped.state_dict())
    assert first(6, resumed) == expected[4:]


@pytest.mark.parametrize("grouping", [True, False], ids=["grouped", "ungrouped"])
@pytest.mark.parametrize(
    "method", ["fork", *(pytest.param(name, marks=pytest.mark.slow) for name in ("spawn", "forkserver"))]
)
def test_start_methods_return_the_same_samples_and_resume(method, grouping):
    expected = first(12, loader(aspect_ratio_grouping=grouping))
    stopped = loader(2, multiprocessing_context=method, aspect_ratio_grouping=grouping)
    assert first(5, stopped) == expected[:5]
    state = json.loads(json.dumps(stopped.state_dict()))
    resumed = loader(2, multiprocessing_context=method, aspect_ratio_grouping=grouping, seed=77)
    resumed.load_state_dict(state)
    assert first(7, resumed) == expected[5:]


def test_worker_errors_are_raised_in_the_main_process():
    def failing(record):
        raise OSError(f"cannot read image {record['image_id']}")

    with pytest.raises(OSError, match="cannot read image"):
        first(1, loader(1, mapper=failing))


def test_rejects_a_mapper_that_always_returns_none():
    with pytest.raises(RuntimeError, match="the mapper returned None for the samples"):
        first(1, loader(mapper=lambda record: None))


def test_grouping_requires_width_and_height():
    with pytest.raises(ValueError, match="'width' and 'height'"):
        first(1, loader(dataset=[{"a": 1}], mapper=None))


def test_collate_function_builds_the_batch():
    assert isinstance(first(1, loader(collate_fn=tuple))[0], tuple)


def test_rejects_an_empty_dataset():
    with pytest.raises(ValueError, match="dataset must not be empty"):
        loader(dataset=[])


def test_test_loader_returns_every_record_once_in_order():
    batches = list(build_detection_test_loader(RECORDS, mapper=None, num_workers=2))
    assert [batch[0]["image_id"] for batch in batches] == list(range(17))
    assert [len(batch) for batch in build_detection_test_loader(RECORDS, mapper=None, batch_size=4)] == [4, 4, 4, 4, 1]


def process_group(record):
    return {**record, "process": os.getpid(), "group": os.getpgid(0), "started": os.environ.get("STARTED_WORKER")}


def record_start(worker):
    os.environ["STARTED_WORKER"] = str(worker)


@pytest.mark.skipif(os.name != "posix", reason="process groups are POSIX's")
@pytest.mark.parametrize("split", ["train", "test"])
def test_workers_survive_signals_to_the_training_process_group(split):
    options = {"mapper": process_group, "num_workers": 1, "worker_init_fn": record_start}
    if split == "train":
        loaded = build_detection_train_loader(RECORDS, total_batch_size=3, seed=5, **options)
    else:
        loaded = build_detection_test_loader(RECORDS, **options)
    sample = first(1, loaded)[0][0]
    assert sample["group"] == sample["process"] != os.getpid()
    assert sample["started"] == "0"


def test_packed_list_returns_new_copies():
    packed = PackedList([{"a": [1]}, "text", None])
    packed[0]["a"].append(2)
    assert [packed[0], packed[-2], packed[2]] == [{"a": [1]}, "text", None]
    with pytest.raises(IndexError, match="index 3 is out of range for 3 items"):
        _ = packed[3]


@pytest.mark.parametrize("serialize", [True, False])
def test_modifying_an_item_does_not_modify_the_list(serialize):
    items = [{"a": [1]}]
    DatasetFromList(items, serialize=serialize)[0]["a"].append(2)
    assert items == [{"a": [1]}]


def test_map_dataset_replaces_items_mapped_to_none():
    dataset = MapDataset(DatasetFromList([0, 1, 2, 3]), lambda item: item if item != 2 else None)
    assert dataset[2] in (0, 1, 3)


def test_map_dataset_skips_none_in_iterables():
    mapped = MapDataset(ToIterableDataset(DatasetFromList([0, 1, 2]), [2, 1, 0]), lambda item: item or None)
    assert list(mapped) == [2, 1]


def test_workers_split_the_indices_of_an_iterable():
    dataset = ToIterableDataset(DatasetFromList(list(range(10))), range(10), shard_chunk_size=2)
    loaded = torch.utils.data.DataLoader(dataset, num_workers=2, batch_size=None)
    assert sorted(loaded) == list(range(10))


def test_aspect_ratio_grouped_dataset():
    batches = list(AspectRatioGroupedDataset(RECORDS, 2))
    assert [[item["image_id"] for item in batch] for batch in batches][:3] == [[1, 2], [0, 3], [4, 5]]
