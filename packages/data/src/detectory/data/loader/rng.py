"""Random number generators seeded per sample, independent of the process that loads the sample."""

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def sample_seed(seed: int, position: int) -> int:
    """Hash the seed of a loader and the position of a sample in the global stream to 63 bits."""
    digest = hashlib.blake2b(f"{seed}:{position}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


@contextmanager
def seeded_generators(seed: int) -> Iterator[None]:
    """Seed the generators of Python, NumPy and torch (CPU) inside the context and restore them afterwards.

    A sample is thus the same with and without worker processes, and loading a sample does not affect the random numbers
    of a training loop in the same process.
    """
    states = random.getstate(), np.random.get_state(), torch.random.get_rng_state()
    random.seed(seed)
    np.random.seed(seed & 0xFFFFFFFF)
    # Not torch.manual_seed, which also queues a call for every CUDA device.
    torch.random.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.random.set_rng_state(states[2])
