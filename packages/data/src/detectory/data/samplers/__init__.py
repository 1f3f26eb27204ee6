"""Resumable samplers that split the dataset among processes."""

from .grouped_batches import GroupedBatchSampler
from .inference import InferenceSampler
from .stream import InfiniteSampler
from .training import (
    DatasetMixingSampler,
    RandomSubsetTrainingSampler,
    RepeatFactorTrainingSampler,
    TrainingSampler,
    WeightedTrainingSampler,
)

__all__ = [
    "DatasetMixingSampler",
    "GroupedBatchSampler",
    "InferenceSampler",
    "InfiniteSampler",
    "RandomSubsetTrainingSampler",
    "RepeatFactorTrainingSampler",
    "TrainingSampler",
    "WeightedTrainingSampler",
]
