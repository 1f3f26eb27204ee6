"""The sampler for evaluation, which yields every sample exactly once."""

from collections.abc import Iterator
from typing import Any

from torch.utils.data import Sampler

from detectory.core.distributed import get_rank, get_world_size


class InferenceSampler(Sampler):
    """Split a dataset among all processes into contiguous parts with sizes that differ by at most one.

    Args:
        size: The number of samples in the dataset, not necessarily a multiple of the number of processes.

    Example:
        >>> list(InferenceSampler(4))
        [0, 1, 2, 3]
    """

    def __init__(self, size: int) -> None:
        if not isinstance(size, int) or size < 0:
            raise ValueError(f"InferenceSampler: size must be an integer >= 0, got {size!r}")
        self._size, self._done = size, 0
        self._local_indices = self._get_local_indices(size, get_world_size(), get_rank())

    @staticmethod
    def _get_local_indices(total_size: int, world_size: int, rank: int) -> range:
        part, remainder = divmod(total_size, world_size)
        begin = rank * part + min(rank, remainder)
        return range(begin, begin + part + (rank < remainder))

    def __iter__(self) -> Iterator[int]:
        """Yield the indices of this process once."""
        yield from self._local_indices[self._done :]

    def __len__(self) -> int:
        """Return the number of remaining indices of this process."""
        return len(self._local_indices) - self._done

    def state_dict(self, consumed: int = 0) -> dict[str, Any]:
        """Return the position after `consumed` further indices."""
        return {"size": self._size, "done": self._done + consumed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved position. The number of processes must be the same.

        Raises:
            ValueError: If the state was saved for a dataset of different size.
        """
        if state["size"] != self._size:
            raise ValueError(
                f"InferenceSampler.load_state_dict: size must be {self._size}, got a state of {state['size']} samples"
            )
        self._done = state["done"]
