"""MovingAverage: an exponential moving average of a model's weights.

Source: Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992. The increasing decay in the
first iterations follows TensorFlow's ExponentialMovingAverage.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from detectory.core.checkpoint import Checkpointer, unwrap, write_checkpoint
from detectory.engine.trainers.training_loop import HookBase


class MovingAverage(HookBase):
    """Averages a model's parameters and buffers after each iteration, without affecting the training.

    The average is saved in checkpoints. Integer buffers such as counters are copied instead of averaged.

    Args:
        model: The model; wrappers for distributed training are removed.
        decay: Weight of the previous average, in [0, 1). In the n-th iteration it is at most `(1 + n) / (10 + n)`, so
            that the initial weights are forgotten quickly.
        checkpointer: If given, the average is written to `<file_prefix>.pth` at the end of the training.
        file_prefix: The file name without suffix.

    Raises:
        ValueError: If `decay` is not in [0, 1).
    """

    def __init__(
        self,
        model: nn.Module,
        decay: float = 0.9998,
        checkpointer: Checkpointer | None = None,
        file_prefix: str = "model_final_average",
    ) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"MovingAverage: decay must be in [0, 1), got {decay}")
        self._model = unwrap(model)
        self._decay = decay
        self._checkpointer = checkpointer
        self._prefix = file_prefix
        self._updates = 0
        self._average = {name: tensor.detach().clone() for name, tensor in self._model.state_dict().items()}

    def before_train(self) -> None:
        """Initialize the average with the weights at the start of the training."""
        if self._updates == 0:
            self._average = {name: tensor.detach().clone() for name, tensor in self._model.state_dict().items()}

    @torch.no_grad()
    def after_step(self) -> None:
        """Update the average."""
        self._updates += 1
        decay = min(self._decay, (1 + self._updates) / (10 + self._updates))
        floats, targets = [], []
        for name, value in self._model.state_dict().items():
            if value.is_floating_point():
                floats.append(self._average[name])
                targets.append(value)
            else:
                self._average[name].copy_(value)
        torch._foreach_lerp_(floats, targets, 1 - decay)

    def after_train(self) -> None:
        """Write the average at the end of a complete training."""
        checkpointer = self._checkpointer
        if checkpointer is None or not checkpointer.save_to_disk or self.trainer.iter + 1 < self.trainer.max_iter:
            return
        write_checkpoint({"model": self._average}, f"{checkpointer.save_dir}/{self._prefix}.pth")

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Use the averaged weights in the model inside the block, for example to evaluate them."""
        own = {name: tensor.detach().clone() for name, tensor in self._model.state_dict().items()}
        self._model.load_state_dict(self._average)
        try:
            yield
        finally:
            self._model.load_state_dict(own)

    def state_dict(self) -> dict[str, Any]:
        """Return the average and the number of updates."""
        return {"updates": self._updates, "average": self._average}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state."""
        self._updates = state["updates"]
        for name, tensor in state["average"].items():
            self._average[name].copy_(tensor)
