"""What a figure depends on: the machine, how fast it moves bytes and multiplies, and the versions of everything."""

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
    """The installed versions of ours and the peers."""
    found = {found.name: found.version for found in importlib.metadata.distributions()}
    wanted = {name.lower() for name in _MEASURED}
    return {name: found[name] for name in sorted(found) if name.lower() in wanted or name.startswith("detectory")}


def description() -> dict[str, object]:
    """The processor, the system and the versions of what runs on them."""
    processor = cpuinfo.get_cpu_info().get("brand_raw", platform.processor())
    system = {"system": platform.platform(), "python": platform.python_version()}
    threads = {"cores": granted_cores(), "threads": torch.get_num_threads()}
    return {"processor": processor, "instruction_set": instruction_set(), **threads, **system, "versions": versions()}


def shortest(call: Callable[[], Any], seconds: float = 0.1) -> float:
    """The shortest of the calls that fit into a time, after one that is not counted; at least three."""
    call()
    end, times = time.perf_counter() + seconds, []
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def seconds_to_read(count: int) -> float:
    """How long torch takes on all threads to read and write `count` bytes in all, in the caches that they fit into."""
    source = torch.ones(max(1, count // 8))  # 4 bytes each, read once, written once
    target = torch.empty_like(source)
    return shortest(lambda: target.copy_(source), 0.05)


def seconds_to_write(count: int) -> float:
    """How long torch takes on all threads to fill `count` bytes of memory that it asks for anew, as a result's is."""
    return shortest(lambda: torch.ones(max(1, count // 4)), 0.05)


@functools.cache
def operations_per_second() -> float:
    """The rate of torch's product of float32 matrices, the highest that a program reaches here in practice."""
    a, b = torch.ones(1024, 1024), torch.ones(1024, 1024)
    return 2 * 1024**3 / shortest(lambda: a @ b, 0.5)


def floor(read: int, written: int, operations: float) -> float:
    """The seconds below which no program goes that moves so many bytes and does so many float32 operations."""
    return max(seconds_to_read(read) + seconds_to_write(written), operations / operations_per_second())
