"""Benchmark settings: two threads, fixed seeds, and a description of the machine in the JSON of the results."""

import pytest
import torch
from benchmarks.machine import description


def pytest_benchmark_update_machine_info(machine_info: dict) -> None:
    """Add the instruction set, the number of threads and the installed versions."""
    machine_info.update(description())


@pytest.fixture(autouse=True)
def _two_threads_and_a_fixed_seed() -> None:
    torch.set_num_threads(2)
    torch.manual_seed(0)
