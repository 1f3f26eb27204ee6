"""Settings of all benchmarks: two threads, fixed seeds, and package versions in the JSON of pytest-benchmark."""

import pytest
import torch
from benchmarks.machine import versions


def pytest_benchmark_update_machine_info(machine_info: dict) -> None:
    """Add the installed versions and the number of threads."""
    machine_info["versions"] = versions()
    machine_info["threads"] = torch.get_num_threads()


@pytest.fixture(autouse=True)
def _two_threads_and_a_fixed_seed() -> None:
    torch.set_num_threads(2)
    torch.manual_seed(0)
