"""Batches of indices from one group each."""

from collections.abc import Iterator, Sequence

from torch.utils.data import BatchSampler, Sampler


class GroupedBatchSampler(BatchSampler):
    """A batch sampler with batches of a single group each.

    Within a group the order of the sampler is kept. Incomplete batches at the end are dropped.

    Args:
        sampler: Yields indices.
        group_ids: `group_ids[i]` is the group of sample `i`.
        batch_size: The number of samples per batch.
    """

    def __init__(self, sampler: Sampler, group_ids: Sequence[int], batch_size: int) -> None:
        if not isinstance(sampler, Sampler):
            raise TypeError(f"GroupedBatchSampler: sampler must be a torch Sampler, got {type(sampler).__name__}")
        super().__init__(sampler, batch_size, drop_last=True)
        self.group_ids = group_ids

    def __iter__(self) -> Iterator[list[int]]:
        """Yield lists of `batch_size` indices."""
        waiting: dict[int, list[int]] = {}
        for index in self.sampler:
            batch = waiting.setdefault(int(self.group_ids[index]), [])
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch[:]
                batch.clear()

    def __len__(self) -> int:
        """Raise a `TypeError`, because the number of batches depends on the order of the groups."""
        raise TypeError("GroupedBatchSampler: the length is unknown, because it depends on the order of the groups")
