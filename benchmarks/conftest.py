"""Two threads, fixed seeds, and the versions of everything measured in the JSON that pytest-benchmark writes."""

import pytest
import torch
from benchmarks.machine import versions


def pytest_benchmark_update_machine_info(machine_info: dict) -> None:
    """Add the installed versions of ours and the peers."""
    machine_info["versions"] = versions()
    machine_info["threads"] = torch.get_num_threads()


@pytest.fixture(autouse=True)
def _two_threads_and_a_fixed_seed() -> None:
    torch.set_num_threads(2)
    torch.manual_seed(0)
