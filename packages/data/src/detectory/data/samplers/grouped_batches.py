"""Batches of indices whose samples belong to one group."""

from collections.abc import Iterator, Sequence

from torch.utils.data import BatchSampler, Sampler


class GroupedBatchSampler(BatchSampler):
    """Wrap a sampler to give batches of which each holds samples of one group only.

    The order of the sampler is kept as far as the groups allow; incomplete batches at the end are left out.

    Args:
        sampler: Yields indices.
        group_ids: `group_ids[i]` is the group of sample `i`.
        batch_size: Samples in a batch.
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
        """Raise: how many batches there are depends on the order of the groups."""
        raise TypeError("GroupedBatchSampler has no length: it depends on how the groups follow each other")
