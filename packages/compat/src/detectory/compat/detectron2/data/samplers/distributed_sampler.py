"""Distributed samplers under Detectron2's module path, with the methods that projects override."""

import itertools
from collections.abc import Iterator
from typing import Any

import torch

from detectory.data import samplers as native
from detectory.data.samplers import InferenceSampler

__all__ = ["InferenceSampler", "RandomSubsetTrainingSampler", "RepeatFactorTrainingSampler", "TrainingSampler"]


def _other_name(attribute: str) -> Any:
    """Return a property with the value of a public attribute."""
    return property(lambda self: getattr(self, attribute), lambda self, value: setattr(self, attribute, value))


class _OverridableStream:
    """An infinite sampler whose indices of all processes a subclass may define in `_infinite_indices`."""

    _size = _other_name("size")
    _shuffle = _other_name("shuffle")
    _seed = _other_name("seed")

    def _infinite_indices(self) -> Iterator[int]:
        """Yield the indices of all processes."""
        for epoch in itertools.count():
            yield from self.epoch_indices(epoch).tolist()  # type: ignore[attr-defined]

    def positions(self) -> Iterator[tuple[int, int]]:
        """Yield `(position in the stream of all processes, index)` of this process."""
        if type(self)._infinite_indices is _OverridableStream._infinite_indices:
            yield from super().positions()  # type: ignore[misc]
            return
        first = self.start + self._rank  # type: ignore[attr-defined]
        yield from itertools.islice(enumerate(self._infinite_indices()), first, None, self._world_size)  # type: ignore[attr-defined]


class TrainingSampler(_OverridableStream, native.TrainingSampler):
    """`detectory.data.samplers.TrainingSampler` that calls an overridden `_infinite_indices`."""


class RandomSubsetTrainingSampler(_OverridableStream, native.RandomSubsetTrainingSampler):
    """`detectory.data.samplers.RandomSubsetTrainingSampler` that calls an overridden `_infinite_indices`."""

    _seed_shuffle = _other_name("seed")
    _seed_subset = _other_name("seed_subset")
    indexes_subset = _other_name("_subset")


class RepeatFactorTrainingSampler(_OverridableStream, native.RepeatFactorTrainingSampler):
    """`detectory.data.samplers.RepeatFactorTrainingSampler` that calls an overridden `_infinite_indices`."""

    def _choose(self, generator: torch.Generator) -> torch.Tensor:
        return self._get_epoch_indices(generator)

    def _get_epoch_indices(self, generator: torch.Generator) -> torch.Tensor:
        """Return the repeated indices of an epoch before shuffling."""
        return super()._choose(generator)
