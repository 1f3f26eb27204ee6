"""Initialisation of the worker processes of a loader."""

import functools
import os
from collections.abc import Callable


def worker_start(then: Callable[[int], None] | None = None) -> Callable[[int], None]:
    """Return the `worker_init_fn` of all loaders.

    Each worker leaves the process group of the training process. Ctrl-C and schedulers signal the whole group. The
    training process handles the signal after the current iteration, saves a checkpoint and stops its workers. If the
    signal ended the workers first, the training process would fail without a checkpoint.

    Args:
        then: The user's `worker_init_fn`, called afterwards with the worker id.
    """
    return functools.partial(_start, then)


def _start(then: Callable[[int], None] | None, worker_id: int) -> None:
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    if then is not None:
        then(worker_id)
