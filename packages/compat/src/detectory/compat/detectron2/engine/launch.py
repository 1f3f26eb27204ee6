"""Launching of distributed processes under Detectron2's module path."""

import socket
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from detectory.engine import DEFAULT_TIMEOUT, launch
from detectory.engine.distributed.launcher import _worker

__all__ = ["DEFAULT_TIMEOUT", "_find_free_port", "launch"]


def _distributed_worker(
    local_rank: int,
    main_func: Callable[..., Any],
    world_size: int,
    num_gpus_per_machine: int,
    machine_rank: int,
    dist_url: str,
    args: tuple[Any, ...],
    timeout: timedelta = DEFAULT_TIMEOUT,
) -> None:
    """Join the process group and call `main_func`; for launchers that start their processes themselves.

    Args:
        local_rank: Index of the process on this machine.
        main_func: Called with `args`.
        world_size: Number of processes on all machines.
        num_gpus_per_machine: Number of processes on this machine.
        machine_rank: Index of the machine.
        dist_url: Address at which the processes meet, such as `tcp://127.0.0.1:29500`.
        args: Arguments of `main_func`.
        timeout: Limit of collective operations.
    """
    _worker(local_rank, main_func, world_size, num_gpus_per_machine, machine_rank, dist_url, None, args, timeout)


def _find_free_port() -> int:
    """Return a TCP port that is currently unused."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as free:
        free.bind(("", 0))
        return free.getsockname()[1]
