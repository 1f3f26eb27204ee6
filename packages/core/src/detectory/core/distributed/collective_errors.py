"""Errors of failed collectives that name the collective, this process and the unresponsive processes.

The backends report only that a peer timed out or closed the connection. The processes therefore exchange the name of
the collective that each of them is in through the rendezvous store, which is independent of the failed backend.
"""

import contextlib
import time
from collections.abc import Iterator

import torch.distributed as dist

#: How long a failed process waits for reports of the other processes before it names the silent ones.
SECONDS_TO_ANSWER = 5.0
_CONNECTION_WORDS = ("timed out", "timeout", "connection", "peer", "socket", "gloo", "nccl", "broken pipe")
_stores: list[dist.Store] = []


class CollectiveError(RuntimeError):
    """A collective failed because a process died, hangs, or waits in another collective."""


def remember_store(store: dist.Store) -> None:
    """Use `store` to exchange failure reports between the processes."""
    _stores[:] = [store]


def forget_store() -> None:
    """Release the store. Must be called when the process group is destroyed."""
    _stores.clear()


@contextlib.contextmanager
def named_collective(name: str) -> Iterator[None]:
    """Convert the failure of a collective in the block to an error that names it and the unresponsive processes.

    Args:
        name: Name of the collective, such as `"all_gather"`.

    Raises:
        CollectiveError: If the collective timed out or lost a connection. Other errors are propagated unchanged.
    """
    try:
        yield
    except CollectiveError:
        raise
    except RuntimeError as error:
        reason = str(error)
        if not isinstance(error, dist.DistError) and not any(word in reason.lower() for word in _CONNECTION_WORDS):
            raise
        process = f"process {dist.get_rank()} of {dist.get_world_size()}"
        raise CollectiveError(f"{name}: {process} timed out: {_diagnose(name)} ({_first_line(reason)})") from error


def _diagnose(name: str) -> str:
    """Report this failure to the store, collect the other processes' reports, and describe who is missing."""
    if not _stores:
        return "another process died, hangs, or waits in another collective"
    store, size = _stores[0], dist.get_world_size()
    try:
        store.set(f"failed/{dist.get_rank()}", name)
        end = time.monotonic() + SECONDS_TO_ANSWER
        silent = list(range(size))
        while silent and time.monotonic() < end:
            silent = [rank for rank in silent if not store.check([f"failed/{rank}"])]
            time.sleep(0.05)
        causes = [
            f"process {rank} waits in {collective}"
            for rank in range(size)
            if rank not in silent and (collective := store.get(f"failed/{rank}").decode()) != name
        ]
    except RuntimeError:
        return "process 0, which hosts the rendezvous store, is gone"
    if silent:
        causes.insert(0, f"no response from process {', '.join(map(str, silent))}, dead or hanging")
    return "; ".join(causes) or "all processes are alive; the connection was lost or too slow"


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "no reason given").strip()[:300]
