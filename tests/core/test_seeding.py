import random

import numpy as np
import torch

from detectory.core.seeding import seed_all_rng


def test_seeds_all_generators():
    draws = []
    for _ in range(2):
        assert seed_all_rng(7) == 7
        draws.append((random.random(), np.random.rand(), torch.rand(1).item()))
    assert draws[0] == draws[1]


def test_draws_a_seed_by_default():
    assert len({seed_all_rng() for _ in range(5)}) > 1
