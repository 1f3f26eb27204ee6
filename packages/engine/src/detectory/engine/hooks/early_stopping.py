"""EarlyStopping: stops the training when a metric no longer improves."""

import math
from typing import Any

from detectory.core.distributed import all_gather
from detectory.engine.trainers.training_loop import HookBase


class EarlyStopping(HookBase):
    """Stops the training if a metric has not improved for `patience` evaluations.

    Must be registered after the hook that evaluates, in all processes. The main process, which has the metric, makes
    the decision.

    Args:
        eval_period: Number of iterations between evaluations.
        val_metric: Name of the metric in the event storage, such as `"bbox/AP"`.
        patience: Number of evaluations without improvement before stopping.
        mode: `"max"` if larger values are better, `"min"` if smaller values are better.
        min_delta: Minimum improvement that counts.

    Raises:
        ValueError: If `mode` is unknown, or `eval_period` or `patience` is not positive.
    """

    def __init__(
        self, eval_period: int, val_metric: str, patience: int = 3, mode: str = "max", min_delta: float = 0.0
    ) -> None:
        if mode not in ("max", "min"):
            raise ValueError(f"EarlyStopping: mode must be 'max' or 'min', got '{mode}'")
        if eval_period < 1 or patience < 1:
            raise ValueError(
                f"EarlyStopping: eval_period and patience must be positive, got {eval_period} and {patience}"
            )
        self._period, self._metric, self._patience = eval_period, val_metric, patience
        self._sign, self._min_delta = (1.0 if mode == "max" else -1.0), min_delta
        self._best = -math.inf
        self._waited = 0

    def after_step(self) -> None:
        """Check the metric after an evaluation."""
        if (self.trainer.iter + 1) % self._period:
            return
        latest = self.trainer.storage.latest().get(self._metric)
        if latest is not None:
            value = self._sign * latest[0]
            improved = value > self._best + self._min_delta or self._best == -math.inf
            self._best = max(self._best, value)
            self._waited = 0 if improved else self._waited + 1
        if any(all_gather(self._waited >= self._patience)):
            best = self._sign * self._best
            self.trainer.stop(
                f"{self._metric} has not exceeded its best value {best:.4f} for {self._patience} evaluations"
            )

    def state_dict(self) -> dict[str, Any]:
        """Return the best value and the number of evaluations since."""
        return {"best": self._best, "waited": self._waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state."""
        self._best, self._waited = state["best"], state["waited"]
