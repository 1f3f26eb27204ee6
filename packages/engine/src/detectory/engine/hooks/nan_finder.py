"""NaNFinder: saves the batch and names the module responsible for a non-finite loss."""

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
from detectory.engine.trainers.random_state import RandomState, preserved_random_state
from detectory.engine.trainers.training_loop import HookBase

_logger = logging.getLogger(__name__)


class NaNFinder(HookBase):
    """Saves the batch and names the first module with a non-finite output if a loss is not finite.

    To find the module, the batch is run again with the same random numbers and a check of every module's output. The
    cost per normal iteration is a copy of the random generators' states.

    Args:
        output_dir: The folder for the batch, `nan_iter<N>.pth`.
        skip: Skip the update of that iteration in all processes and continue, instead of stopping the training.
        max_skips: Maximum number of skipped iterations before the training is stopped.

    Raises:
        ValueError: If `max_skips` is not positive.
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
        """Register for non-finite losses with the trainer."""
        self.trainer.on_nonfinite = self._examine
        # The all-reduce has already spread the NaN to the other processes' gradients, whose own losses are finite.
        self.trainer.checks_all_ranks = self._skip and get_world_size() > 1

    def before_step(self) -> None:
        """Save the random states of this iteration."""
        self._state = RandomState.capture()

    def state_dict(self) -> dict[str, Any]:
        """Return the number of skipped iterations."""
        return {"skipped": self._skipped} if self._skipped else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state."""
        self._skipped = state["skipped"]

    def _examine(self, error: FloatingPointError | None) -> bool:
        """Return whether to continue, else raise with the cause. `error` is None if another process has the NaN."""
        self._skipped += 1
        if error is None:
            return self._skipped <= self._max_skips
        rank = f"_rank{get_rank()}" if get_world_size() > 1 else ""
        path = self._output_dir / f"nan_iter{self.trainer.iter}{rank}.pth"
        with atomic_write(path) as file:
            torch.save(self.trainer.last_batch, file)
        message = f"{error}; {self._find_cause()}; the batch was saved to {path}"
        if not self._skip or self._skipped > self._max_skips:
            raise FloatingPointError(message) from error
        for name, buffer in unwrap(self.trainer.model).named_buffers():
            if buffer.is_floating_point() and not torch.isfinite(buffer).all():
                raise FloatingPointError(f"{message}; cannot skip: the buffer '{name}' is not finite any more")
        _logger.warning("%s; skipping this iteration", message)
        return True

    def _find_cause(self) -> str:
        assert self._state is not None, "before_step has run"
        for name, parameter in unwrap(self.trainer.model).named_parameters():
            if not torch.isfinite(parameter).all():
                return f"the parameter '{name}' was already not finite"
        causes: list[str] = []
        # Without the DDP wrapper, whose collectives would wait for the other processes.
        wrapped, self.trainer.model = self.trainer.model, unwrap(self.trainer.model)
        handles = [
            module.register_forward_hook(_output_check(name, causes))
            for name, module in self.trainer.model.named_modules()
        ]
        try:
            with preserved_random_state(), torch.no_grad(), EventStorage(self.trainer.iter):
                self._state.restore()
                self.trainer.compute_losses(self.trainer.last_batch)
        finally:
            self.trainer.model = wrapped
            for handle in handles:
                handle.remove()
        return causes[0] if causes else "the losses of the batch were finite when it was run again"


def _output_check(name: str, causes: list[str]) -> Any:
    def check(module: nn.Module, inputs: Any, output: Any) -> None:
        if not causes and not _all_finite(output):
            source = "with finite inputs" if _all_finite(inputs) else "with non-finite inputs"
            causes.append(f"the first module with a non-finite output is '{name}' ({type(module).__name__}), {source}")

    return check


def _all_finite(values: Any) -> bool:
    tensors = [leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor) and leaf.is_floating_point()]
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)
