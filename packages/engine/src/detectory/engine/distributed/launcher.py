"""Start of the processes of one training, and their process group."""

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
    """Run `main_func(*args)` in `num_gpus_per_machine` processes on each machine; call this on every machine.

    With one process in all, `main_func` runs in this process. Under `torchrun` the processes exist already: each
    joins the group that the environment describes and runs `main_func`. Processes use NCCL when torch sees a GPU for
    each of them, else gloo.

    Args:
        main_func: Must be importable by its name when several processes are started.
        num_gpus_per_machine: Processes on each machine; without GPUs they share the CPU.
        num_machines: The number of machines.
        machine_rank: The number of this machine, from 0.
        dist_url: Where the processes meet, e.g. `tcp://10.0.0.1:29500`; `"auto"` opens a free port, on one machine
            only.
        args: Arguments of `main_func`.
        timeout: How long a process waits for the others before it gives up.

    Raises:
        ValueError: `dist_url` is missing or `"auto"` with several machines.
        RuntimeError: the port of `dist_url` is taken, or the processes cannot meet there.
        torch.multiprocessing.ProcessException: a process failed or was killed; the message has its rank. The others
            are ended.
        SystemExit: SIGTERM came. It is handed on to the processes, which save a checkpoint; the code is 143.
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
            raise ValueError("launch: dist_url must be an address that all machines reach, e.g. tcp://10.0.0.1:29500")
        # Open until this function ends: a port that was only looked up may be taken before process 0 opens it.
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
    """Wait until all processes have ended; hand SIGTERM on to them."""
    received: list[int] = []

    def hand_on(number: int, _: Any) -> None:
        received.append(number)
        for pid in processes.pids():
            # A process that has ended already needs no signal.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    in_main_thread = threading.current_thread() is threading.main_thread()
    previous = signal.signal(signal.SIGTERM, hand_on) if in_main_thread else None
    try:
        while not processes.join():
            continue
    except multiprocessing.ProcessExitedException as error:
        # The signal itself ends a process that has not begun to train.
        if received and error.exit_code in (128 + received[0], -received[0]):
            raise SystemExit(128 + received[0]) from None
        raise
    finally:
        if in_main_thread:
            signal.signal(signal.SIGTERM, previous)


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
    """Run `main_func` in a group. Without a port that this machine holds open already, process 0 opens `url`."""
    local_rank = int(os.environ["LOCAL_RANK"])
    use_gpu = torch.cuda.is_available() and torch.cuda.device_count() >= processes
    if use_gpu:
        torch.cuda.set_device(local_rank)
    try:
        if open_port is not None:
            met: dist.Store = dist.TCPStore("127.0.0.1", open_port, is_master=False, timeout=timeout)
        else:
            met = next(iter(dist.rendezvous(url, rank, world_size, timeout=timeout)))[0]
        store = fresh_store(met, rank, world_size, timeout)
        place: dict[str, Any] = {"store": dist.PrefixStore("group", store), "rank": rank, "world_size": world_size}
        dist.init_process_group("nccl" if use_gpu else "gloo", timeout=timeout, **place)
    except (RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise RuntimeError(
            f"launch: process {rank} of {world_size} cannot meet the others at {_shown(url)}: {reason}"
        ) from error
    remember_store(dist.PrefixStore("failures", store))
    create_local_process_group(processes)
    try:
        # Nobody starts before the slowest process has come.
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
        # A trainer and its model are cycles that hold the group; its threads must end before the interpreter does.
        gc.collect()


def _clear_frames(error: BaseException | None) -> None:
    """Let the functions that an error ended forget their variables, of which some hold the process group."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _shown(url: str) -> str:
    if url != "env://":
        return url
    return f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')} (MASTER_ADDR, MASTER_PORT)"


def _check_port(url: str) -> None:
    """Find out before the processes start whether this machine can open the port where they shall meet."""
    address = urlsplit(url)
    if address.scheme != "tcp" or address.port is None:
        raise ValueError(f"launch: dist_url must be like tcp://10.0.0.1:29500, got '{url}'")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", address.port))
        except OSError as error:
            raise RuntimeError(
                f"launch: this machine cannot open port {address.port} of dist_url '{url}': {error.strerror}; "
                "another one may be free"
            ) from error
