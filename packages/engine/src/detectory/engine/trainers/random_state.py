"""The state of all random generators of a process, taken and put back."""

import contextlib
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch


class RandomState(NamedTuple):
    """The states of all generators as each library gives them: quick to take, for use in this process."""

    python: tuple[Any, ...]
    numpy: Any
    torch: torch.Tensor
    cuda: list[torch.Tensor]

    @classmethod
    def take(cls) -> "RandomState":
        """Take the states of Python's, NumPy's and torch's generators, the GPUs' included."""
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
        return cls(random.getstate(), np.random.get_state(), torch.random.get_rng_state(), cuda)

    def put_back(self) -> None:
        """Put all generators into these states; GPUs when there are as many of them as then."""
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        torch.random.set_rng_state(self.torch)
        if self.cuda and torch.cuda.is_available() and len(self.cuda) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(self.cuda)


def random_state() -> dict[str, Any]:
    """Return the states of all generators as tensors and numbers, which a checkpoint can hold."""
    state = RandomState.take()
    version, internal, gauss = state.python
    name, keys, position, has_gauss, cached = state.numpy
    return {
        "python": (version, torch.tensor(internal, dtype=torch.int64), gauss),
        "numpy": (name, torch.tensor(keys.astype(np.int64)), int(position), int(has_gauss), float(cached)),
        "torch": state.torch,
        "cuda": state.cuda,
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Put the generators into a state that `random_state` returned.

    The states of GPUs are set when there are as many of them as then; others keep their own.
    """
    version, internal, gauss = state["python"]
    name, keys, position, has_gauss, cached = state["numpy"]
    RandomState(
        (version, tuple(internal.tolist()), gauss),
        (name, keys.numpy().astype(np.uint32), position, has_gauss, cached),
        state["torch"],
        state["cuda"],
    ).put_back()


@contextlib.contextmanager
def undisturbed_random_state() -> Iterator[None]:
    """Put all generators back at the end of the block, so that what runs inside does not change the training."""
    state = RandomState.take()
    try:
        yield
    finally:
        state.put_back()
