"""The interface of all evaluators, and a group of evaluators that share one pass over the data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from detectory.core.distributed import is_main_process


@dataclass(frozen=True)
class ModelOutputs:
    """The outputs of a model that need annotations in the ground truth.

    Args:
        masks: Whether instances have masks.
        num_keypoints: Number of keypoints per instance, or None without keypoints.
    """

    masks: bool = False
    num_keypoints: int | None = None


class DatasetEvaluator:
    """Computes metrics from the inputs and outputs of a model over a dataset.

    `inference_on_dataset` calls `reset` once, `process` for every batch and `evaluate` once. Subclasses override these
    three methods, and `check` if they read ground truth from a file.
    """

    def check(self, outputs: ModelOutputs | None = None) -> None:
        """Raise an error if the ground truth cannot be evaluated. Called before a training starts.

        Args:
            outputs: What the model predicts, if known.
        """

    def reset(self) -> None:
        """Prepare for a new evaluation: discard all stored results."""

    def process(self, inputs: Any, outputs: Any) -> None:
        """Process one batch.

        Args:
            inputs: Inputs of the model, for example a list with one dict per image.
            outputs: Outputs of the model, in the same order.
        """

    def evaluate(self) -> Mapping[str, Any] | None:
        """Compute the metrics after the last batch.

        Returns:
            Any mapping, or None. The evaluators of this package return task name to {metric name: value}, such as
            `{"bbox": {"AP50": 80.1}}`, in the main process, and an empty dict in all others.
        """
        return None


class DatasetEvaluators(DatasetEvaluator):
    """Several evaluators that process the same batches.

    Args:
        evaluators: The evaluators, called in this order.
    """

    def __init__(self, evaluators: Sequence[DatasetEvaluator]) -> None:
        super().__init__()
        self._evaluators = list(evaluators)

    def check(self, outputs: ModelOutputs | None = None) -> None:
        """Check the ground truth of every evaluator."""
        for evaluator in self._evaluators:
            evaluator.check(outputs)

    def reset(self) -> None:
        """Reset every evaluator."""
        for evaluator in self._evaluators:
            evaluator.reset()

    def process(self, inputs: Any, outputs: Any) -> None:
        """Pass the batch to every evaluator."""
        for evaluator in self._evaluators:
            evaluator.process(inputs, outputs)

    def evaluate(self) -> dict[str, Any]:
        """Merge the results of all evaluators, in the main process.

        Raises:
            ValueError: If two evaluators return the same task name.
        """
        results: dict[str, Any] = {}
        for evaluator in self._evaluators:
            result = evaluator.evaluate()
            if not is_main_process() or result is None:
                continue
            for task, metrics in result.items():
                if task in results:
                    name = type(evaluator).__name__
                    raise ValueError(f"DatasetEvaluators: {name} returned {task!r}, as did an evaluator before it")
                results[task] = metrics
        return results
