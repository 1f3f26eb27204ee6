"""Seeding of all random number generators."""

import os
import random
from datetime import datetime

import numpy as np
import torch


def seed_all_rng(seed: int | None = None) -> int:
    """Seed `random`, NumPy and torch (CPU and all GPUs).

    Args:
        seed: The seed. By default, derived from the process id, the time and the system's random source.

    Returns:
        The seed that was used.
    """
    if seed is None:
        now = datetime.now()
        seed = os.getpid() + int(now.strftime("%S%f")) + int.from_bytes(os.urandom(2), "big")
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    random.seed(seed)
    return seed
