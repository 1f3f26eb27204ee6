import random

import numpy as np
import torch

from detectory.core.environment import collect_environment, format_environment, seed_all_rng


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
