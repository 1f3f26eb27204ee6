"""EvaluationSummary hook: one line per evaluation with the headline metrics and the best value so far."""

import logging
import math
import sys
from typing import Any

from detectory.core.distributed import is_main_process
from detectory.core.logging import is_log_visible
from detectory.engine.hooks.headline_metrics import headline_metrics, metric_label
from detectory.engine.trainers.training_loop import HookBase

_logger = logging.getLogger(__name__)


class EvaluationSummary(HookBase):
    """Logs one line per evaluation, such as "evaluation after 54 of 1080 iterations: box AP 41.20 (best so far)".

    Must be registered after the hook that evaluates. The line is printed if the log is not visible, as in a notebook
    in which logging is not configured.

    Args:
        best_metric: Name of the metric to compare with its best value, by default the first headline metric.
    """

    def __init__(self, best_metric: str | None = None) -> None:
        self._best_metric = best_metric
        self._logged = -1
        self._best: float | None = None
        self._best_at = 0

    def after_step(self) -> None:
        """Log the evaluation of this iteration, if there was one."""
        self._log_new_metrics()

    def after_train(self) -> None:
        """Log the evaluation at the end of the training."""
        self._log_new_metrics()

    def state_dict(self) -> dict[str, Any]:
        """Return the best value and its iteration."""
        return {} if self._best is None else {"best": self._best, "best_at": self._best_at}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the best value and its iteration."""
        self._best, self._best_at = state["best"], state["best_at"]

    def _log_new_metrics(self) -> None:
        latest = self.trainer.storage.latest()
        labels = headline_metrics(latest)
        iteration = max((latest[name][1] for name in labels), default=-1)
        if iteration <= self._logged or iteration < self.trainer.start_iter:
            return
        self._logged = iteration
        done = min(iteration + 1, self.trainer.max_iter)
        if self._best_metric in latest:
            labels.setdefault(str(self._best_metric), metric_label(str(self._best_metric)))
        compared = self._best_metric if self._best_metric in labels else next(iter(labels))
        texts = []
        for name, label in labels.items():
            value = latest[name][0]
            texts.append(f"{label} {_two_decimals(value)}")
            texts[-1] += self._compared_with_best(value, done) if name == compared else ""
        line = f"evaluation after {done} of {self.trainer.max_iter} iterations: {', '.join(texts)}"
        _logger.info("%s", line)
        if is_main_process() and not is_log_visible(_logger):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()

    def _compared_with_best(self, value: float, done: int) -> str:
        if math.isfinite(value) and (self._best is None or value > self._best):
            self._best, self._best_at = value, done
            return " (best so far)"
        return "" if self._best is None else f" (best {self._best:.2f} after {self._best_at})"


def _two_decimals(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "undefined"
