"""Saving and restoring of the states of all random number generators."""

import contextlib
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch


class RandomState(NamedTuple):
    """Generator states in each library's own format, for use within this process."""

    python: tuple[Any, ...]
    numpy: Any
    torch: torch.Tensor
    cuda: list[torch.Tensor]

    @classmethod
    def capture(cls) -> "RandomState":
        """Return the current states of Python's, NumPy's and torch's generators, including those of the GPUs."""
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
        return cls(random.getstate(), np.random.get_state(), torch.random.get_rng_state(), cuda)

    def restore(self) -> None:
        """Restore all generators. GPU states are restored only if the number of GPUs is unchanged."""
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        torch.random.set_rng_state(self.torch)
        if self.cuda and torch.cuda.is_available() and len(self.cuda) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(self.cuda)


def random_state() -> dict[str, Any]:
    """Return the states of all generators as tensors and numbers, for a checkpoint."""
    state = RandomState.capture()
    version, internal, gauss = state.python
    name, keys, position, has_gauss, cached = state.numpy
    return {
        "python": (version, torch.tensor(internal, dtype=torch.int64), gauss),
        "numpy": (name, torch.tensor(keys.astype(np.int64)), int(position), int(has_gauss), float(cached)),
        "torch": state.torch,
        "cuda": state.cuda,
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Restore a state returned by `random_state`.

    GPU states are restored only if the number of GPUs is unchanged.
    """
    version, internal, gauss = state["python"]
    name, keys, position, has_gauss, cached = state["numpy"]
    RandomState(
        (version, tuple(internal.tolist()), gauss),
        (name, keys.numpy().astype(np.uint32), position, has_gauss, cached),
        state["torch"],
        state["cuda"],
    ).restore()


@contextlib.contextmanager
def preserved_random_state() -> Iterator[None]:
    """Restore all generators after the block, so that the code inside does not affect the training."""
    state = RandomState.capture()
    try:
        yield
    finally:
        state.restore()
