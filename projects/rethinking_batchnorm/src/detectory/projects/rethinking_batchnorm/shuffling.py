"""Exchange of regions between processes in random order, so that batch statistics mix the regions of many images.

Source: Wu and Johnson, "Rethinking 'Batch' in BatchNorm", 2021, section 6.
"""

from collections.abc import Callable

import torch
from torch import Tensor, distributed
from torch.distributed.nn.functional import all_gather

__all__ = ["run_shuffled"]


def run_shuffled(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Apply a function to the regions of all processes in one random order, split evenly between the processes.

    Args:
        function: Maps `(R, ...)` to `(R, ...)`; with batch normalization, the result depends on the other regions.
        x: The regions of this process, `(R, ...)`.

    Returns:
        The results of the regions of this process, in the order of `x`.
    """
    if not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1:
        order = torch.randperm(x.shape[0], device=x.device)
        return function(x[order])[order.argsort()]
    rank, size = distributed.get_rank(), distributed.get_world_size()
    counts = _counts(x)
    regions = _gather(x, counts)
    order = torch.randperm(regions.shape[0], device=x.device)
    distributed.broadcast(order, src=0)
    parts = order.tensor_split(size)
    results = _gather(function(regions[parts[rank]]), [len(part) for part in parts])
    return results[order.argsort()].split(counts)[rank]


def _counts(x: Tensor) -> list[int]:
    """Return the number of regions of each process."""
    own = torch.tensor([x.shape[0]], device=x.device)
    every = [torch.zeros_like(own) for _ in range(distributed.get_world_size())]
    distributed.all_gather(every, own)
    return [int(count) for count in every]


def _gather(x: Tensor, counts: list[int]) -> Tensor:
    """Concatenate the regions of all processes; gradients return to the processes."""
    # Collective operations need equal shapes.
    padding = x.new_zeros(max(counts) - x.shape[0], *x.shape[1:])
    gathered = all_gather(torch.cat((x, padding)).contiguous())
    return torch.cat([part[:count] for part, count in zip(gathered, counts, strict=True)])
