"""The sampler for evaluation: every sample exactly once."""

from collections.abc import Iterator
from typing import Any

from torch.utils.data import Sampler

from detectory.core.distributed import get_rank, get_world_size


class InferenceSampler(Sampler):
    """Split a dataset among all processes: contiguous parts whose sizes differ by one at most.

    Args:
        size: Number of samples of the dataset; it need not be a multiple of the number of processes.

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
        share, left = divmod(total_size, world_size)
        begin = rank * share + min(rank, left)
        return range(begin, begin + share + (rank < left))

    def __iter__(self) -> Iterator[int]:
        """Yield this process's indices once."""
        yield from self._local_indices[self._done :]

    def __len__(self) -> int:
        """Count this process's indices that are left."""
        return len(self._local_indices) - self._done

    def state_dict(self, consumed: int = 0) -> dict[str, Any]:
        """Describe the place after `consumed` indices."""
        return {"size": self._size, "done": self._done + consumed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where a state was made, with the same number of processes.

        Raises:
            ValueError: The state belongs to a dataset of another size.
        """
        if state["size"] != self._size:
            raise ValueError(
                f"InferenceSampler.load_state_dict: the state is of {state['size']} samples, this one has {self._size}"
            )
        self._done = state["done"]
