"""What all training samplers share: an endless stream whose place can be saved."""

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import Sampler

from detectory.core.distributed import get_rank, get_world_size, shared_random_seed


class InfiniteSampler(Sampler):
    """An endless stream of indices, epoch after epoch, of which each process takes its part.

    Process `r` of `n` yields `stream[start + r :: n]`. Every epoch has a random generator of its own, made
    from the seed and the epoch's number, so that any place of the stream is found without drawing all before it.

    Args:
        size: Number of samples of the dataset.
        shuffle: Whether each epoch is in random order.
        seed: The same in all processes; None draws one that they share.

    Attributes:
        seed: The seed in use.
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
        """Return the indices of an epoch, int64, in order."""
        indices = self._choose(self._generator(epoch))
        if not self.shuffle:
            return indices
        return indices[torch.randperm(len(indices), generator=self._generator(epoch, stage=1))]

    def epoch_length(self, epoch: int) -> int:
        """Count the indices of an epoch without shuffling them."""
        return len(self._choose(self._generator(epoch)))

    def _choose(self, generator: torch.Generator) -> torch.Tensor:
        """Pick an epoch's indices, before they are shuffled."""
        del generator
        return torch.arange(self.size)

    def _generator(self, epoch: int, stage: int = 0) -> torch.Generator:
        return torch.Generator().manual_seed((self.seed * 1_000_003 + epoch * 2 + stage) % (1 << 63))

    def __iter__(self) -> Iterator[int]:
        """Yield this process's indices from `start` on, for ever."""
        for _, index in self.positions():
            yield index

    def positions(self) -> Iterator[tuple[int, int]]:
        """Yield `(place in the stream of all processes, index)` from `start` on, for ever."""
        place = self.start + self._rank
        epoch, first = 0, 0
        while True:
            length = self.epoch_length(epoch)
            if place < first + length:
                indices = self.epoch_indices(epoch).tolist()
                while place < first + length:
                    yield place, indices[place - first]
                    place += self._world_size
            epoch, first = epoch + 1, first + length

    def state_dict(self, consumed: int = 0) -> dict[str, Any]:
        """Describe the place after this process took `consumed` indices since `start`.

        All processes must have taken the same number; the state then serves any number of processes.
        """
        return {"seed": self.seed, "size": self.size, "start": self.start + consumed * self._world_size}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where a state was made, with its seed.

        Raises:
            ValueError: The state belongs to a dataset of another size.
        """
        if state["size"] != self.size:
            raise ValueError(
                f"{type(self).__name__}.load_state_dict: the state is of a dataset of {state['size']} samples, "
                f"this one has {self.size}"
            )
        self.seed, self.start = state["seed"], state["start"]
