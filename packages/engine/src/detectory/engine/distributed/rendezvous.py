"""Rendezvous store that is unique to one start of the processes."""

import time
import uuid
from datetime import timedelta

import torch.distributed as dist

_POLL_SECONDS = 0.02


def fresh_store(store: dist.Store, rank: int, world_size: int, timeout: timedelta) -> dist.Store:
    """Return a store without entries of an earlier start.

    `torchrun` reuses its store for restarted processes, so it still contains the addresses of those that died.
    Process 0 therefore generates a new prefix and sends it to each of the other processes as the answer to a random
    key, which cannot have been used before.

    Args:
        store: The rendezvous store of all processes.
        rank: The rank of this process.
        world_size: The number of processes.
        timeout: How long to wait for the other processes.

    Raises:
        RuntimeError: If a process did not join in time; the message has its rank.
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
            raise RuntimeError(f"process {', '.join(map(str, missing))} did not join within {timeout}")
        for other in missing:
            # The key may be left over from a dead process. Answering it is harmless: its successor overwrites the key.
            if store.check([f"hello/{other}"]):
                store.set(f"answer/{store.get(f'hello/{other}').decode()}", name)
        missing = [other for other in missing if not store.check([f"{name}/arrived/{other}"])]
        time.sleep(_POLL_SECONDS)
    return dist.PrefixStore(name, store)
