"""Base class of the training samplers: an infinite, resumable stream of indices."""

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import Sampler

from detectory.core.distributed import get_rank, get_world_size, shared_random_seed


class InfiniteSampler(Sampler):
    """An infinite stream of indices, split among the processes.

    The stream is the concatenation of epochs. Process `r` of `n` yields `stream[start + r :: n]`, hence the state of a
    sampler is `start` alone and can be resumed with a different number of processes. Each epoch has its own random
    generator, seeded by `seed` and the epoch: finding a position in the stream requires only the lengths of the
    preceding epochs, not their order.

    Subclasses override `_choose`, and `epoch_length` if the length is known without drawing random numbers.

    Args:
        size: The number of samples in the dataset.
        shuffle: Whether to shuffle each epoch.
        seed: The seed, equal in all processes; None draws a random seed that all processes share.

    Attributes:
        seed: The seed in use.
        start: The position in the stream at which the iteration starts.
    """

    def __init__(self, size: int, shuffle: bool = True, seed: int | None = None) -> None:
        if not isinstance(size, int):
            raise TypeError(f"{type(self).__name__}: size must be an integer, got {type(size).__name__}")
        if size <= 0:
            raise ValueError(f"{type(self).__name__}: size must be positive, got {size}")
        self.size, self.shuffle = size, shuffle
        self.seed = int(shared_random_seed() if seed is None else seed)
        self.start = 0
        self._rank, self._world_size = get_rank(), get_world_size()

    def epoch_indices(self, epoch: int) -> torch.Tensor:
        """Return the indices of an epoch in order, int64."""
        indices = self._choose(self._generator(epoch))
        if not self.shuffle:
            return indices
        return indices[torch.randperm(len(indices), generator=self._generator(epoch, stage=1))]

    def epoch_length(self, epoch: int) -> int:
        """Return the number of indices in an epoch."""
        return len(self._choose(self._generator(epoch)))

    def _choose(self, generator: torch.Generator) -> torch.Tensor:
        """Return the indices of an epoch before shuffling."""
        del generator
        return torch.arange(self.size)

    def _generator(self, epoch: int, stage: int = 0) -> torch.Generator:
        # Separate generators for the choice (stage 0) and the order (stage 1): `epoch_length` needs only the choice.
        return torch.Generator().manual_seed((self.seed * 1_000_003 + epoch * 2 + stage) % (1 << 63))

    def __iter__(self) -> Iterator[int]:
        """Yield the indices of this process from `start` on, indefinitely."""
        for _, index in self.positions():
            yield index

    def positions(self) -> Iterator[tuple[int, int]]:
        """Yield `(position in the stream of all processes, index)` from `start` on, indefinitely."""
        position = self.start + self._rank
        epoch, first = 0, 0
        while True:
            length = self.epoch_length(epoch)
            if position < first + length:
                indices = self.epoch_indices(epoch).tolist()
                while position < first + length:
                    yield position, indices[position - first]
                    position += self._world_size
            epoch, first = epoch + 1, first + length

    def state_dict(self, consumed: int = 0) -> dict[str, Any]:
        """Return the position after each process has consumed `consumed` indices since `start`.

        The state can be loaded by any number of processes.
        """
        return {"seed": self.seed, "size": self.size, "start": self.start + consumed * self._world_size}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved position with the saved seed.

        Raises:
            ValueError: If the state was saved for a dataset of different size.
        """
        if state["size"] != self.size:
            raise ValueError(
                f"{type(self).__name__}.load_state_dict: size must be {self.size}, "
                f"got a state of {state['size']} samples"
            )
        self.seed, self.start = state["seed"], state["start"]
