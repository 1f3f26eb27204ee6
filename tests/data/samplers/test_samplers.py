from itertools import islice

import pytest
import torch

from detectory.data.samplers import (
    DatasetMixingSampler,
    GroupedBatchSampler,
    InferenceSampler,
    RandomSubsetTrainingSampler,
    RepeatFactorTrainingSampler,
    TrainingSampler,
    WeightedTrainingSampler,
)

SAMPLERS = {
    "training": lambda seed: TrainingSampler(7, seed=seed),
    "unshuffled": lambda seed: TrainingSampler(7, shuffle=False, seed=seed),
    "repeat factor": lambda seed: RepeatFactorTrainingSampler(torch.tensor([1.0, 1.5, 2.2, 1, 3]), seed=seed),
    "weighted": lambda seed: WeightedTrainingSampler([1.0, 0, 5, 2], seed=seed),
    "mixing": lambda seed: DatasetMixingSampler([3, 10], [1, 2], seed=seed),
    "subset": lambda seed: RandomSubsetTrainingSampler(20, 0.4, seed_shuffle=seed, seed_subset=seed + 1),
}


def in_world(sampler, rank, size):
    sampler._rank, sampler._world_size = rank, size
    return sampler


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("consumed", [0, 3, 7, 50])
def test_loaded_state_continues_at_the_next_index(name, consumed):
    sampler = SAMPLERS[name](11)
    everything = list(islice(sampler, 80))
    other = SAMPLERS[name](99)
    other.load_state_dict(sampler.state_dict(consumed))
    assert list(islice(other, 80 - consumed)) == everything[consumed:]


@pytest.mark.parametrize("name", SAMPLERS)
def test_processes_split_one_stream(name):
    whole = list(islice(SAMPLERS[name](5), 60))
    parts = [list(islice(in_world(SAMPLERS[name](5), rank, 3), 20)) for rank in range(3)]
    assert [parts[i % 3][i // 3] for i in range(60)] == whole


def test_state_can_be_loaded_by_a_different_number_of_processes():
    state = in_world(TrainingSampler(10, seed=3), 1, 4).state_dict(consumed=5)
    sampler = TrainingSampler(10, seed=8)
    sampler.load_state_dict(state)
    assert list(islice(sampler, 10)) == list(islice(TrainingSampler(10, seed=3), 30))[20:]


def test_every_epoch_is_a_different_permutation():
    indices = list(islice(TrainingSampler(50, seed=1), 100))
    assert sorted(indices[:50]) == sorted(indices[50:]) == list(range(50))
    assert indices[:50] != indices[50:]


def test_rejects_a_state_of_a_different_size():
    with pytest.raises(ValueError, match="size must be 6, got a state of 5 samples"):
        TrainingSampler(6, seed=1).load_state_dict(TrainingSampler(5, seed=1).state_dict())


def test_repeat_factors_of_one_equal_a_training_sampler():
    indices = list(islice(RepeatFactorTrainingSampler(torch.ones(9), seed=4), 18))
    assert sorted(indices) == sorted(list(range(9)) * 2)


def test_fractional_repeat_factors_are_rounded_stochastically():
    sampler = RepeatFactorTrainingSampler(torch.tensor([1.5]), seed=0)
    lengths = [sampler.epoch_length(epoch) for epoch in range(2000)]
    assert set(lengths) == {1, 2}
    assert 1.45 < sum(lengths) / 2000 < 1.55


def test_repeat_factor_is_that_of_the_rarest_category():
    records = [{"annotations": [{"category_id": c} for c in of_image]} for of_image in ([0, 1], [0], [0], [])]
    factors = RepeatFactorTrainingSampler.repeat_factors_from_category_frequency(records, 0.5)
    assert factors.tolist() == pytest.approx([2**0.5, 1, 1, 1])


def test_weights_of_zero_are_never_drawn():
    assert set(islice(WeightedTrainingSampler([0, 1, 0, 3, 0], seed=2), 500)) == {1, 3}


def test_mixing_draws_datasets_in_the_given_ratios():
    indices = list(islice(DatasetMixingSampler([10, 1000], [1, 1], seed=3), 4000))
    assert 0.45 < sum(index < 10 for index in indices) / 4000 < 0.55


@pytest.mark.parametrize(("size", "world"), [(7, 3), (2, 4), (0, 2), (8, 4)])
def test_inference_sampler_yields_every_sample_once(size, world):
    parts = [InferenceSampler._get_local_indices(size, world, rank) for rank in range(world)]
    assert [index for part in parts for index in part] == list(range(size))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_grouped_batches_contain_one_group():
    sampler = torch.utils.data.SequentialSampler(range(10))
    batches = list(GroupedBatchSampler(sampler, [index % 2 for index in range(10)], 2))
    assert batches == [[0, 2], [1, 3], [4, 6], [5, 7]]


@pytest.mark.parametrize(("size", "error"), [(0, ValueError), (-1, ValueError), (2.5, TypeError)], ids=str)
def test_rejects_an_invalid_size(size, error):
    with pytest.raises(error, match=r"TrainingSampler: size must be (positive|an integer), got"):
        TrainingSampler(size)
