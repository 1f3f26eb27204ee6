"""Ranks, process groups and collectives of a distributed run."""

from detectory.core.distributed.collective_errors import (
    CollectiveError,
    forget_store,
    named_collective,
    remember_store,
)
from detectory.core.distributed.collectives import (
    all_gather,
    gather,
    reduce_dict,
    shared_random_seed,
    synchronize,
)
from detectory.core.distributed.process_group import (
    create_local_process_group,
    forget_local_process_group,
    get_local_process_group,
    get_local_rank,
    get_local_size,
    get_rank,
    get_world_size,
    is_distributed,
    is_main_process,
)

__all__ = [
    "CollectiveError",
    "all_gather",
    "create_local_process_group",
    "forget_local_process_group",
    "forget_store",
    "gather",
    "get_local_process_group",
    "get_local_rank",
    "get_local_size",
    "get_rank",
    "get_world_size",
    "is_distributed",
    "is_main_process",
    "named_collective",
    "reduce_dict",
    "remember_store",
    "shared_random_seed",
    "synchronize",
]
