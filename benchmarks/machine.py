"""Description of the machine and lower bounds of run times: memory bandwidth, multiplication rate, versions."""

import functools
import importlib.metadata
import platform
import time
from collections.abc import Callable
from typing import Any

import cpuinfo
import torch

from detectory.core.processor import granted_cores, instruction_set

_MEASURED = ["torch", "torchvision", "numpy", "Pillow", "pycocotools", "hotcoco", "faster-coco-eval", "matplotlib"]


def versions() -> dict[str, str]:
    """Return the installed versions of Detectory and its peers."""
    installed = {entry.name: entry.version for entry in importlib.metadata.distributions()}
    measured = {name.lower() for name in _MEASURED}
    return {
        name: installed[name] for name in sorted(installed) if name.lower() in measured or name.startswith("detectory")
    }


def description() -> dict[str, object]:
    """Return the processor, the system and the installed versions."""
    processor = cpuinfo.get_cpu_info().get("brand_raw", platform.processor())
    system = {"system": platform.platform(), "python": platform.python_version()}
    threads = {"cores": granted_cores(), "threads": torch.get_num_threads()}
    return {"processor": processor, "instruction_set": instruction_set(), **threads, **system, "versions": versions()}


def shortest(call: Callable[[], Any], seconds: float = 0.1) -> float:
    """Return the shortest time of repeated calls within `seconds` (at least three), after one warm-up call."""
    call()
    end, times = time.perf_counter() + seconds, []
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def seconds_to_read(count: int) -> float:
    """Return the time of `Tensor.copy_` on all threads that reads and writes `count` bytes in total."""
    source = torch.ones(max(1, count // 8))  # 4 bytes each, read once, written once
    target = torch.empty_like(source)
    return shortest(lambda: target.copy_(source), 0.05)


def seconds_to_write(count: int) -> float:
    """Return the time of `torch.ones` on all threads that allocates and fills `count` bytes, as for a result."""
    return shortest(lambda: torch.ones(max(1, count // 4)), 0.05)


@functools.cache
def operations_per_second() -> float:
    """Return the rate of torch's float32 matrix product, the highest rate that is reached in practice."""
    a, b = torch.ones(1024, 1024), torch.ones(1024, 1024)
    return 2 * 1024**3 / shortest(lambda: a @ b, 0.5)


def lower_bound(read: int, written: int, operations: float) -> float:
    """Return a lower bound in seconds for a program that moves these bytes and does these float32 operations."""
    return max(seconds_to_read(read) + seconds_to_write(written), operations / operations_per_second())
