"""What a person reads when processes lose each other: which collective, in which process, and who did not answer."""

import contextlib
import time
from collections.abc import Iterator

import torch.distributed as dist

#: How long a process waits for the others' word before it names those that are silent.
SECONDS_TO_ANSWER = 5.0
_SIGNS = ("timed out", "timeout", "connection", "peer", "socket", "gloo", "nccl", "broken pipe")
_stores: list[dist.Store] = []


class CollectiveError(RuntimeError):
    """A collective failed: a process died, hangs, or waits in another collective."""


def remember_store(store: dist.Store) -> None:
    """Let processes tell each other of failures through the store where they met."""
    _stores[:] = [store]


def forget_store() -> None:
    """Forget the store, as its process group is closed."""
    _stores.clear()


@contextlib.contextmanager
def named_collective(name: str) -> Iterator[None]:
    """Turn the failure of a collective inside the block into an error that names it, this process and silent ones.

    Args:
        name: What the processes do together, e.g. `"all_gather"`.

    Raises:
        CollectiveError: a time-out or a lost connection. Other errors pass as they are.
    """
    try:
        yield
    except CollectiveError:
        raise
    except RuntimeError as error:
        reason = str(error)
        if not isinstance(error, dist.DistError) and not any(sign in reason.lower() for sign in _SIGNS):
            raise
        place = f"process {dist.get_rank()} of {dist.get_world_size()}"
        raise CollectiveError(
            f"{name}: {place} waited in vain: {_who_is_silent(name)} ({_first_line(reason)})"
        ) from error


def _who_is_silent(name: str) -> str:
    """Leave word of the failure, wait for the others' word, and say whose is missing."""
    if not _stores:
        return "another process died, hangs, or waits elsewhere"
    store, size = _stores[0], dist.get_world_size()
    try:
        store.set(f"failed/{dist.get_rank()}", name)
        end = time.monotonic() + SECONDS_TO_ANSWER
        silent = list(range(size))
        while silent and time.monotonic() < end:
            silent = [rank for rank in silent if not store.check([f"failed/{rank}"])]
            time.sleep(0.05)
        elsewhere = [
            f"process {rank} waits in {found}"
            for rank in range(size)
            if rank not in silent and (found := store.get(f"failed/{rank}").decode()) != name
        ]
    except RuntimeError:
        return "process 0, where all meet, is gone"
    if silent:
        elsewhere.insert(0, f"no word of process {', '.join(map(str, silent))}, dead or busy elsewhere")
    return "; ".join(elsewhere) or "all processes are alive, the connection was lost or too slow"


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "no reason given").strip()[:300]
