import random

import numpy as np
import pytest
import torch

from detectory.core.devices import usable_device
from detectory.core.environment import collect_environment, format_environment
from detectory.core.seeding import seed_all_rng


def test_report_names_torch_and_this_package():
    report = collect_environment()
    assert torch.__version__ in report["torch"]
    assert "detectory-core" in report


def test_format_aligns_two_columns():
    assert format_environment({"a": "1", "long": "2"}) == "a     1\nlong  2"


def test_one_seed_seeds_all_generators():
    draws = []
    for _ in range(2):
        assert seed_all_rng(7) == 7
        draws.append((random.random(), np.random.rand(), torch.rand(1).item()))
    assert draws[0] == draws[1]


def test_without_a_seed_one_is_made():
    assert len({seed_all_rng() for _ in range(5)}) > 1


def test_names_that_are_no_device_are_refused():
    assert usable_device("cpu") == torch.device("cpu")
    with pytest.raises(ValueError, match="'gpu' is no device; for example 'cuda' or 'cpu'"):
        usable_device("gpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without GPU")
def test_a_gpu_that_torch_does_not_see_is_told():
    with pytest.raises(RuntimeError, match="the device is 'cuda:1', but torch sees no GPU"):
        usable_device("cuda:1")
