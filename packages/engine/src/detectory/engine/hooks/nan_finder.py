"""Where a NaN comes from."""

import logging
import os
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from detectory.core.checkpoint import unwrap
from detectory.core.distributed import get_rank, get_world_size
from detectory.core.events import EventStorage
from detectory.core.storage import atomic_write
from detectory.engine.trainers.random_state import RandomState, undisturbed_random_state
from detectory.engine.trainers.training_loop import HookBase

_logger = logging.getLogger(__name__)


class NaNFinder(HookBase):
    """When a loss is not finite: saves the batch, names the first module that produced it, then stops or skips.

    The batch runs once more with the same random numbers while every module's output is looked at. Without a NaN the
    hook costs a copy of the random generators' states in each iteration.

    Args:
        output_dir: The folder of `nan_iter<N>.pth`, which holds the batch.
        skip: Do not update the parameters in that iteration, in any process, and go on, instead of ending the training.
        max_skips: End the training all the same after so many.

    Raises:
        ValueError: `max_skips` is not positive.
    """

    def __init__(self, output_dir: str | os.PathLike[str], skip: bool = False, max_skips: int = 10) -> None:
        if max_skips < 1:
            raise ValueError(f"NaNFinder: max_skips must be positive, got {max_skips}")
        self._output_dir = Path(output_dir)
        self._skip = skip
        self._max_skips = max_skips
        self._skipped = 0
        self._state: RandomState | None = None

    def before_train(self) -> None:
        """Ask the trainer to be told of losses that are not finite."""
        self.trainer.on_nonfinite = self._examine
        # The other processes have the NaN in their gradients already, but not in their losses.
        self.trainer.asks_others = self._skip and get_world_size() > 1

    def before_step(self) -> None:
        """Keep the random numbers of this iteration."""
        self._state = RandomState.take()

    def state_dict(self) -> dict[str, Any]:
        """Return how many iterations were skipped."""
        return {"skipped": self._skipped} if self._skipped else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        self._skipped = state["skipped"]

    def _examine(self, error: FloatingPointError | None) -> bool:
        """Say whether to go on; raise with what was found otherwise. Without an error another process has it."""
        self._skipped += 1
        if error is None:
            return self._skipped <= self._max_skips
        rank = f"_rank{get_rank()}" if get_world_size() > 1 else ""
        path = self._output_dir / f"nan_iter{self.trainer.iter}{rank}.pth"
        with atomic_write(path) as file:
            torch.save(self.trainer.last_batch, file)
        message = f"{error}; {self._first_culprit()}; the batch is in {path}"
        if not self._skip or self._skipped > self._max_skips:
            raise FloatingPointError(message) from error
        for name, buffer in unwrap(self.trainer.model).named_buffers():
            if buffer.is_floating_point() and not torch.isfinite(buffer).all():
                raise FloatingPointError(f"{message}; the buffer '{name}' has taken it up, so it cannot be skipped")
        _logger.warning("%s; this iteration is skipped", message)
        return True

    def _first_culprit(self) -> str:
        assert self._state is not None, "before_step has run"
        for name, parameter in unwrap(self.trainer.model).named_parameters():
            if not torch.isfinite(parameter).all():
                return f"the parameter '{name}' was not finite before"
        found: list[str] = []
        # Without the wrapper, which would wait for the other processes.
        wrapped, self.trainer.model = self.trainer.model, unwrap(self.trainer.model)
        handles = [
            module.register_forward_hook(_watch(name, found)) for name, module in self.trainer.model.named_modules()
        ]
        try:
            with undisturbed_random_state(), torch.no_grad(), EventStorage(self.trainer.iter):
                self._state.put_back()
                self.trainer.compute_losses(self.trainer.last_batch)
        finally:
            self.trainer.model = wrapped
            for handle in handles:
                handle.remove()
        return found[0] if found else "the batch gave finite losses when it ran again"


def _watch(name: str, found: list[str]) -> Any:
    def look(module: nn.Module, inputs: Any, output: Any) -> None:
        if not found and not _all_finite(output):
            source = "whose input is finite" if _all_finite(inputs) else "whose input is not finite either"
            found.append(f"the first module with such an output is '{name}' ({type(module).__name__}), {source}")

    return look


def _all_finite(values: Any) -> bool:
    tensors = [leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor) and leaf.is_floating_point()]
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)
