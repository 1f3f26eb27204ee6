"""Two threads, fixed seeds, and the versions of everything measured in the JSON that pytest-benchmark writes."""

import importlib.metadata

import pytest
import torch

_MEASURED = ["torch", "torchvision", "numpy", "Pillow", "pycocotools", "hotcoco", "faster-coco-eval", "matplotlib"]


def pytest_benchmark_update_machine_info(machine_info: dict) -> None:
    """Add the installed versions of ours and the peers."""
    ours = [found.name for found in importlib.metadata.distributions() if found.name.startswith("detectory")]
    present = {found.name.lower() for found in importlib.metadata.distributions()}
    names = [name for name in _MEASURED + ours if name.lower() in present]
    machine_info["versions"] = {name: importlib.metadata.version(name) for name in names}
    machine_info["threads"] = torch.get_num_threads()


@pytest.fixture(autouse=True)
def _two_threads_and_a_fixed_seed() -> None:
    torch.set_num_threads(2)
    torch.manual_seed(0)
