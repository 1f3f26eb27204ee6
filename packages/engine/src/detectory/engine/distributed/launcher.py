"""Launcher of distributed runs: starts the processes and manages the lifetime of their process group."""

import contextlib
import datetime
import gc
import logging
import os
import signal
import socket
import threading
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

from detectory.core.distributed import (
    create_local_process_group,
    forget_local_process_group,
    forget_store,
    is_distributed,
    remember_store,
    synchronize,
)
from detectory.engine.distributed.fsdp import release_meshes
from detectory.engine.distributed.rendezvous import fresh_store

_logger = logging.getLogger(__name__)
DEFAULT_TIMEOUT = datetime.timedelta(minutes=30)


def launch(
    main_func: Callable[..., Any],
    num_gpus_per_machine: int,
    num_machines: int = 1,
    machine_rank: int = 0,
    dist_url: str | None = None,
    args: tuple[Any, ...] = (),
    timeout: datetime.timedelta = DEFAULT_TIMEOUT,
) -> None:
    """Run `main_func(*args)` in `num_gpus_per_machine` processes per machine. Call this on every machine.

    A single process runs in the calling process. Under `torchrun`, the processes exist already: each one joins the
    group described by the environment and runs `main_func`. The backend is NCCL if torch sees a GPU for each process,
    else gloo.

    Args:
        main_func: The function. It must be importable by name if several processes are started.
        num_gpus_per_machine: Number of processes per machine. Without GPUs, they share the CPU.
        num_machines: Number of machines.
        machine_rank: Index of this machine, from 0.
        dist_url: Rendezvous address such as `tcp://10.0.0.1:29500`. `"auto"` or None picks a free port on a single
            machine.
        args: Arguments of `main_func`.
        timeout: Timeout of the rendezvous and of collectives.

    Raises:
        ValueError: If `dist_url` is not an address and there are several machines.
        RuntimeError: If the port of `dist_url` is in use, or the rendezvous fails.
        torch.multiprocessing.ProcessException: If a process failed or was killed; the message has its rank. The other
            processes are terminated.
        SystemExit: If SIGTERM or SIGINT was received. It is forwarded to the processes, which save a checkpoint; the
            exit code is 143 or 130.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        rank, world_size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        _run_in_group(main_func, args, timeout, "env://", rank, world_size, int(os.environ["LOCAL_WORLD_SIZE"]))
        return
    world_size = num_machines * num_gpus_per_machine
    if world_size <= 1:
        main_func(*args)
        return
    open_port = None
    if dist_url is None or dist_url == "auto":
        if num_machines > 1:
            raise ValueError("launch: dist_url must be an address reachable by all machines, e.g. tcp://10.0.0.1:29500")
        # Keep the store open until this function returns: a port that is only probed could be taken by another process
        # before process 0 opens it.
        server = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        open_port = server.port
        dist_url = f"tcp://127.0.0.1:{open_port}"
    elif machine_rank == 0:
        _check_port(dist_url)
    processes = multiprocessing.start_processes(
        _worker,
        nprocs=num_gpus_per_machine,
        args=(main_func, world_size, num_gpus_per_machine, machine_rank, dist_url, open_port, args, timeout),
        join=False,
        daemon=False,
        start_method="spawn",
    )
    _wait_for(processes)


def _wait_for(processes: Any) -> None:
    """Wait until all processes have exited, forwarding SIGTERM and SIGINT to them."""
    received: list[int] = []

    def forward(number: int, _: Any) -> None:
        received.append(number)
        for pid in processes.pids():
            # A process may have exited already.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    in_main_thread = threading.current_thread() is threading.main_thread()
    signals = (signal.SIGTERM, signal.SIGINT) if in_main_thread else ()
    previous = {number: signal.signal(number, forward) for number in signals}
    try:
        while not processes.join():
            continue
    except multiprocessing.ProcessExitedException as error:
        # A process that has not installed its signal handler yet is terminated by the signal itself.
        if received and error.exit_code in (128 + received[0], -received[0]):
            raise SystemExit(128 + received[0]) from None
        raise
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _worker(
    local_rank: int,
    main_func: Callable[..., Any],
    world_size: int,
    processes: int,
    machine_rank: int,
    dist_url: str,
    open_port: int | None,
    args: tuple[Any, ...],
    timeout: datetime.timedelta,
) -> None:
    rank = machine_rank * processes + local_rank
    os.environ["LOCAL_RANK"] = str(local_rank)
    _run_in_group(main_func, args, timeout, dist_url, rank, world_size, processes, open_port)


def _run_in_group(
    main_func: Callable[..., Any],
    args: tuple[Any, ...],
    timeout: datetime.timedelta,
    url: str,
    rank: int,
    world_size: int,
    processes: int,
    open_port: int | None = None,
) -> None:
    """Run `main_func` in a process group. `open_port` is a store that the parent hosts; otherwise rank 0 opens `url`.

    Nothing may keep the group alive after `destroy_process_group`: its communication threads must stop before the
    interpreter shuts down, or they abort the process. Module-level references, traceback frames and reference cycles
    are therefore released here.
    """
    local_rank = int(os.environ["LOCAL_RANK"])
    use_gpu = torch.cuda.is_available() and torch.cuda.device_count() >= processes
    if use_gpu:
        torch.cuda.set_device(local_rank)
    try:
        if open_port is not None:
            rendezvous: dist.Store = dist.TCPStore("127.0.0.1", open_port, is_master=False, timeout=timeout)
        else:
            rendezvous = next(iter(dist.rendezvous(url, rank, world_size, timeout=timeout)))[0]
        store = fresh_store(rendezvous, rank, world_size, timeout)
        group_store = dist.PrefixStore("group", store)
        backend = "nccl" if use_gpu else "gloo"
        dist.init_process_group(backend, timeout=timeout, store=group_store, rank=rank, world_size=world_size)
    except (RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise RuntimeError(
            f"launch: process {rank} of {world_size}: rendezvous at {_address(url)} failed: {reason}"
        ) from error
    remember_store(dist.PrefixStore("failures", store))
    create_local_process_group(processes)
    try:
        # Start together, so that the timeout of the first collective does not include the startup of other processes.
        synchronize()
        main_func(*args)
    except BaseException as error:
        _clear_frames(error)
        raise
    finally:
        forget_store()
        forget_local_process_group()
        if is_distributed():
            dist.destroy_process_group()
        release_meshes()
        # A trainer, its model and their DDP wrapper form reference cycles that keep the group alive.
        gc.collect()


def _clear_frames(error: BaseException | None) -> None:
    """Clear the local variables in the frames of an error's traceback; some of them reference the process group."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _address(url: str) -> str:
    if url != "env://":
        return url
    return f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')} (MASTER_ADDR, MASTER_PORT)"


def _check_port(url: str) -> None:
    """Check before the processes start that this machine can open the rendezvous port."""
    address = urlsplit(url)
    if address.scheme != "tcp" or address.port is None:
        raise ValueError(f"launch: dist_url must be like tcp://10.0.0.1:29500, got '{url}'")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", address.port))
        except OSError as error:
            raise RuntimeError(
                f"launch: cannot open port {address.port} of dist_url '{url}': {error.strerror}; try another port"
            ) from error
