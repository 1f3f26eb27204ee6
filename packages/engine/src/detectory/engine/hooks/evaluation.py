"""EvalHook: evaluation during training."""

from collections.abc import Callable, Mapping
from typing import Any

from detectory.core.distributed import synchronize
from detectory.engine.trainers.random_state import preserved_random_state
from detectory.engine.trainers.training_loop import HookBase


class EvalHook(HookBase):
    """Evaluates periodically and at the end, and logs the metrics to the event storage.

    All processes must register this hook; pass `lambda: None` in those that do not evaluate. The random generators
    are restored afterwards, so that evaluations do not affect the training.

    Args:
        eval_period: Number of iterations between evaluations. 0 evaluates only at the end.
        eval_function: Returns a nested dictionary of numbers, or None.
        eval_after_train: Whether to evaluate at the end.
    """

    def __init__(
        self, eval_period: int, eval_function: Callable[[], Mapping[str, Any] | None], eval_after_train: bool = True
    ) -> None:
        self._period = eval_period
        self._function = eval_function
        self._after_train = eval_after_train

    def after_step(self) -> None:
        """Evaluate if the period has elapsed. `after_train` handles the last iteration."""
        done = self.trainer.iter + 1
        if self._period > 0 and done % self._period == 0 and done != self.trainer.max_iter:
            self._evaluate()

    def after_train(self) -> None:
        """Evaluate at the end of a complete training."""
        if self._after_train and self.trainer.iter + 1 >= self.trainer.max_iter:
            self._evaluate()
        # Release the function, which often references the trainer.
        del self._function

    def _evaluate(self) -> None:
        with preserved_random_state():
            results = self._function()
        if results:
            if not isinstance(results, Mapping):
                raise TypeError(f"EvalHook: eval_function must return a dictionary, got {type(results).__name__}")
            self.trainer.storage.put_scalars(smoothing_hint=False, **flatten_results(results))
        # Processes that evaluate less must wait here, where the next collective's timeout has not started.
        synchronize()


def flatten_results(results: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Flatten nested metrics to a dictionary such as `{"bbox/AP": 37.9}`.

    Raises:
        ValueError: If a value is not a number; the message has its name.
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
            raise ValueError(f"EvalHook: metric '{key}' must be a number, got {value!r}") from error
    return flat
