"""An end of the training when a metric no longer gets better."""

import math
from typing import Any

from detectory.core.distributed import all_gather
from detectory.engine.trainers.training_loop import HookBase


class EarlyStopping(HookBase):
    """Stops when a metric has not improved for `patience` evaluations.

    It comes after the hook that evaluates. With several processes all of them need it; the main process, which knows
    the metric, decides.

    Args:
        eval_period: Iterations between two evaluations.
        val_metric: The metric's name in the storage, e.g. `"bbox/AP"`.
        patience: How many evaluations without improvement are borne.
        mode: `"max"` when larger is better, `"min"` when smaller is.
        min_delta: A smaller improvement does not count.

    Raises:
        ValueError: another mode, or numbers below one.
    """

    def __init__(
        self, eval_period: int, val_metric: str, patience: int = 3, mode: str = "max", min_delta: float = 0.0
    ) -> None:
        if mode not in ("max", "min"):
            raise ValueError(f"EarlyStopping: mode must be 'max' or 'min', got '{mode}'")
        if eval_period < 1 or patience < 1:
            raise ValueError(f"EarlyStopping: expected a positive period and patience, got {eval_period}, {patience}")
        self._period, self._metric, self._patience = eval_period, val_metric, patience
        self._sign, self._min_delta = (1.0 if mode == "max" else -1.0), min_delta
        self._best = -math.inf
        self._waited = 0

    def after_step(self) -> None:
        """Look at the metric after an evaluation."""
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
            self.trainer.stop(f"{self._metric} has not improved on {best:.4f} for {self._patience} evaluations")

    def state_dict(self) -> dict[str, Any]:
        """Return the best value and how long it stands."""
        return {"best": self._best, "waited": self._waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        self._best, self._waited = state["best"], state["waited"]
