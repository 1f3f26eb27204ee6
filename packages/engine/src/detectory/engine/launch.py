"""Start of the processes of one training, and their process group."""

import datetime
import logging
import os
import socket
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from torch.nn.parallel import DistributedDataParallel

from detectory.core.distributed import (
    create_local_process_group,
    forget_local_process_group,
    get_local_rank,
    get_world_size,
    is_distributed,
    synchronize,
)

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
    """Run ``main_func(*args)`` in ``num_gpus_per_machine`` processes on each machine; call this on every machine.

    With one process in all, ``main_func`` runs in this process. Under ``torchrun`` the processes exist already: each
    joins the group that the environment describes and runs ``main_func``. Processes use NCCL when torch sees a GPU for
    each of them, else gloo.

    Args:
        main_func: must be importable by its name when several processes are started.
        num_gpus_per_machine: processes on each machine; without GPUs they share the CPU.
        num_machines: the number of machines.
        machine_rank: the number of this machine, from 0.
        dist_url: where the processes meet, e.g. ``tcp://10.0.0.1:29500``; ``"auto"`` finds a free port, on one machine
            only.
        args: arguments of ``main_func``.
        timeout: how long a process waits for the others before it gives up.

    Raises:
        ValueError: ``dist_url`` is missing or ``"auto"`` with several machines.
        torch.multiprocessing.ProcessException: a process failed or was killed; the message has its rank. The others
            are ended.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        _run_in_group(main_func, args, timeout, "env://", None, None, int(os.environ["LOCAL_WORLD_SIZE"]))
        return
    world_size = num_machines * num_gpus_per_machine
    if world_size <= 1:
        main_func(*args)
        return
    if dist_url in (None, "auto"):
        if num_machines > 1:
            raise ValueError("launch: dist_url must be an address that all machines reach, e.g. tcp://10.0.0.1:29500")
        dist_url = f"tcp://127.0.0.1:{_free_port()}"
    multiprocessing.start_processes(
        _worker,
        nprocs=num_gpus_per_machine,
        args=(main_func, world_size, num_gpus_per_machine, machine_rank, dist_url, args, timeout),
        daemon=False,
        start_method="spawn",
    )


def create_ddp_model(
    model: torch.nn.Module, *, fp16_compression: bool = False, **kwargs: Any
) -> torch.nn.Module | DistributedDataParallel:
    """Wrap a model in ``DistributedDataParallel``; it comes back as it is when there is one process.

    Args:
        model: the model, on its device.
        fp16_compression: exchange gradients as float16.
        kwargs: other arguments of ``DistributedDataParallel``.
    """
    if get_world_size() == 1:
        return model
    on_gpu = next(model.parameters()).device.type == "cuda"
    if on_gpu and "device_ids" not in kwargs:
        kwargs["device_ids"] = [get_local_rank()]
    parallel = DistributedDataParallel(model, **kwargs)
    if fp16_compression:
        from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import fp16_compress_hook

        parallel.register_comm_hook(state=None, hook=fp16_compress_hook)
    return parallel


def _worker(
    local_rank: int,
    main_func: Callable[..., Any],
    world_size: int,
    processes: int,
    machine_rank: int,
    dist_url: str,
    args: tuple[Any, ...],
    timeout: datetime.timedelta,
) -> None:
    rank = machine_rank * processes + local_rank
    os.environ["LOCAL_RANK"] = str(local_rank)
    _run_in_group(main_func, args, timeout, dist_url, rank, world_size, processes)


def _run_in_group(
    main_func: Callable[..., Any],
    args: tuple[Any, ...],
    timeout: datetime.timedelta,
    url: str,
    rank: int | None,
    world_size: int | None,
    processes: int,
) -> None:
    local_rank = int(os.environ["LOCAL_RANK"])
    use_gpu = torch.cuda.is_available() and torch.cuda.device_count() >= processes
    if use_gpu:
        torch.cuda.set_device(local_rank)
    place: dict[str, Any] = {} if rank is None else {"rank": rank, "world_size": world_size}
    try:
        dist.init_process_group("nccl" if use_gpu else "gloo", init_method=url, timeout=timeout, **place)
    except (RuntimeError, ValueError, dist.DistError) as error:
        raise RuntimeError(f"launch: process {rank} cannot meet the others at {url}: {error}") from error
    create_local_process_group(processes)
    try:
        # Nobody starts before the slowest process has come.
        synchronize()
        main_func(*args)
    finally:
        forget_local_process_group()
        if is_distributed():
            dist.destroy_process_group()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
