"""What every evaluator can do, and several of them as one."""

from collections.abc import Mapping, Sequence
from typing import Any

from detectory.core.distributed import is_main_process


class DatasetEvaluator:
    """Collects inputs and outputs of a model over a dataset and makes figures of them in the end.

    `inference_on_dataset` calls `reset` once, `process` for every batch and `evaluate` once. An evaluator of one's
    own overrides these three.
    """

    def reset(self) -> None:
        """Forget everything: a new round starts."""

    def process(self, inputs: Any, outputs: Any) -> None:
        """Take one batch.

        Args:
            inputs: What the model was called with, for example a list of dicts, one an image.
            outputs: What the model returned, in the same order.
        """

    def evaluate(self) -> Mapping[str, Any] | None:
        """Turn what was collected into figures.

        Returns:
            Any mapping, or None; the evaluators of this package return task name to {metric name: number}, such as
            `{"bbox": {"AP50": 80.1}}`, in the main process, and an empty dict in the others.
        """
        return None


class DatasetEvaluators(DatasetEvaluator):
    """Several evaluators that see the same batches, so that one pass over the data serves them all.

    Args:
        evaluators: What every call is handed to, in this order.
    """

    def __init__(self, evaluators: Sequence[DatasetEvaluator]) -> None:
        super().__init__()
        self._evaluators = list(evaluators)

    def reset(self) -> None:
        """Reset every evaluator."""
        for evaluator in self._evaluators:
            evaluator.reset()

    def process(self, inputs: Any, outputs: Any) -> None:
        """Hand the batch to every evaluator."""
        for evaluator in self._evaluators:
            evaluator.process(inputs, outputs)

    def evaluate(self) -> dict[str, Any]:
        """Join the results of all evaluators (of the main process).

        Raises:
            ValueError: where two evaluators give results of the same name.
        """
        results: dict[str, Any] = {}
        for evaluator in self._evaluators:
            result = evaluator.evaluate()
            if not is_main_process() or result is None:
                continue
            for name, value in result.items():
                if name in results:
                    kind = type(evaluator).__name__
                    raise ValueError(f"DatasetEvaluators: {kind} gives {name!r}, which another evaluator gave already")
                results[name] = value
        return results
