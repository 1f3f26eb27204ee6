"""A part of the meeting store that belongs to this start of the processes alone."""

import time
import uuid
from datetime import timedelta

import torch.distributed as dist

_SECONDS_BETWEEN_LOOKS = 0.02


def fresh_store(store: dist.Store, rank: int, world_size: int, timeout: timedelta) -> dist.Store:
    """Return a store that holds nothing of an earlier start.

    `torchrun` lets restarted processes meet in the store of those that died, whose addresses are still in it. So
    process 0 makes up a name, and tells it to each of the others in answer to a word that was never used before.

    Args:
        store: Where all processes meet.
        rank: The number of this process.
        world_size: The number of processes.
        timeout: How long to wait for the others.

    Raises:
        RuntimeError: the others did not come in time; the message names them.
    """
    if rank != 0:
        own = uuid.uuid4().hex
        store.set(f"hello/{rank}", own)
        store.wait([f"answer/{own}"], timeout)
        name = store.get(f"answer/{own}").decode()
        store.set(f"{name}/arrived/{rank}", "yes")
        return dist.PrefixStore(name, store)
    name, end = uuid.uuid4().hex, time.monotonic() + timeout.total_seconds()
    missing = list(range(1, world_size))
    while missing:
        if time.monotonic() > end:
            raise RuntimeError(f"process {', '.join(map(str, missing))} did not come within {timeout}")
        for other in missing:
            # An old word may be there still: whoever said it is gone, and the new one will follow.
            if store.check([f"hello/{other}"]):
                store.set(f"answer/{store.get(f'hello/{other}').decode()}", name)
        missing = [other for other in missing if not store.check([f"{name}/arrived/{other}"])]
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    return dist.PrefixStore(name, store)
