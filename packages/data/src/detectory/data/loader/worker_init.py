"""What a worker process of a loader does as it starts."""

import functools
import os
from collections.abc import Callable


def worker_start(then: Callable[[int], None] | None = None) -> Callable[[int], None]:
    """Return the `worker_init_fn` of all loaders.

    A worker leaves the process group of the training. A scheduler or Ctrl-C sends a signal to the whole group: the
    training obeys it after its iteration and ends its workers itself; had they died before, it would fail without
    a checkpoint.

    Args:
        then: What the worker does next, with its number.
    """
    return functools.partial(_start, then)


def _start(then: Callable[[int], None] | None, worker: int) -> None:
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    if then is not None:
        then(worker)
