"""Evaluation during a training."""

from collections.abc import Callable, Mapping
from typing import Any

from detectory.core.distributed import synchronize
from detectory.engine.trainers.random_state import undisturbed_random_state
from detectory.engine.trainers.training_loop import HookBase


class EvalHook(HookBase):
    """Runs an evaluation every so many iterations and at the end, and puts its metrics into the storage.

    Every process must have this hook; one that shall not evaluate gets `lambda: None`. The random generators are
    put back afterwards, so that evaluating does not change the training.

    Args:
        eval_period: Iterations between two evaluations; 0 evaluates at the end only.
        eval_function: Takes nothing and returns a nested dictionary of numbers, or None.
        eval_after_train: Evaluate at the end.
    """

    def __init__(
        self, eval_period: int, eval_function: Callable[[], Mapping[str, Any] | None], eval_after_train: bool = True
    ) -> None:
        self._period = eval_period
        self._function = eval_function
        self._after_train = eval_after_train

    def after_step(self) -> None:
        """Evaluate when it is time; the last iteration is left to `after_train`."""
        done = self.trainer.iter + 1
        if self._period > 0 and done % self._period == 0 and done != self.trainer.max_iter:
            self._evaluate()

    def after_train(self) -> None:
        """Evaluate a training that has reached its end."""
        if self._after_train and self.trainer.iter + 1 >= self.trainer.max_iter:
            self._evaluate()
        # The function often holds the trainer itself.
        del self._function

    def _evaluate(self) -> None:
        with undisturbed_random_state():
            results = self._function()
        if results:
            if not isinstance(results, Mapping):
                raise TypeError(f"EvalHook: eval_function must return a dictionary, got {type(results).__name__}")
            self.trainer.storage.put_scalars(smoothing_hint=False, **flatten_results(results))
        # A process that evaluates less must not run ahead into the next iteration's time-out.
        synchronize()


def flatten_results(results: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Return nested metrics as `{"bbox/AP": 37.9}`.

    Raises:
        ValueError: a value is no number; the message names it.
    """
    flat: dict[str, float] = {}
    for name, value in results.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            flat |= flatten_results(value, f"{key}/")
            continue
        try:
            flat[key] = float(value)
        except (TypeError, ValueError) as error:
            raise ValueError(f"EvalHook: the metric '{key}' must be a number, got {value!r}") from error
    return flat
