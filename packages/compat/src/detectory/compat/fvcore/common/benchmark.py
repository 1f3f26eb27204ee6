"""Benchmark of a function for several arguments."""

import sys
import time
from collections.abc import Callable
from typing import Any

__all__ = ["benchmark"]


def benchmark(
    func: Callable[..., Callable[[], Any]],
    bm_name: str,
    kwargs_list: list[dict[str, Any]],
    *,
    num_iters: int | None = None,
    warmup_iters: int = 0,
) -> None:
    """Print a table of the run time of a function for several arguments.

    Args:
        func: Prepares a run from keyword arguments and returns the callable to measure.
        bm_name: Name of the benchmark in the table.
        kwargs_list: Keyword arguments of each row.
        num_iters: Number of measured calls; by default as many as fit into two seconds.
        warmup_iters: Number of calls before the measurement.
    """
    lines = [f"{'benchmark':<40} {'mean ms':>10} {'min ms':>10} {'max ms':>10} {'calls':>7}"]
    for arguments in kwargs_list:
        times = _times(func(**arguments), num_iters, warmup_iters)
        label = f"{bm_name}_{'_'.join(str(value) for value in arguments.values())}"
        mean = sum(times) / len(times)
        lines.append(
            f"{label:<40} {mean * 1e3:>10.3f} {min(times) * 1e3:>10.3f} {max(times) * 1e3:>10.3f} {len(times):>7}"
        )
    sys.stdout.write("\n".join(lines) + "\n")


def _times(call: Callable[[], Any], num_iters: int | None, warmup_iters: int) -> list[float]:
    for _ in range(warmup_iters):
        call()
    times: list[float] = []
    while len(times) < num_iters if num_iters else not times or sum(times) < 2.0:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times
