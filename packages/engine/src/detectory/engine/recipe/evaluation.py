"""The evaluation part of a recipe: metrics, validation losses and the detections in the run folder."""

import contextlib
import inspect
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, open_dict
from torch import nn

from detectory.core.config import instantiate, locate
from detectory.core.distributed import is_main_process
from detectory.engine.recipe.data_checks import check_evaluator
from detectory.engine.recipe.run_folder import BEST_DETECTIONS, LAST_DETECTIONS
from detectory.engine.recipe.validation_loss import validation_losses
from detectory.evaluation import COCOEvaluator, inference_on_dataset, print_csv_format


class Evaluation:
    """Evaluates the model of a recipe and stores the latest metrics.

    Args:
        config: The recipe.
        model: The model.

    Attributes:
        weights: Returns a context in which the model has the weights to evaluate.
        whole_model: Returns the model to evaluate. A sharded model must be copied: its processes would deadlock with
            unequal numbers of images, because every forward pass gathers parameters.
        results: The latest metrics.
        seconds: Duration of all evaluations.
    """

    def __init__(self, config: DictConfig, model: nn.Module) -> None:
        self.weights: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext
        self._dataloader = config.dataloader
        self._folder: Path | None = None
        self.whole_model: Callable[[], nn.Module] = lambda: model
        self._loader: Any = None
        self._validation: Any = None
        self.results: dict[str, Any] = {}
        self.seconds = 0.0

    def __call__(self) -> dict[str, Any]:
        """Return the metrics; empty if the recipe has no evaluator."""
        with self.weights():
            return self._evaluate()

    def check(self) -> None:
        """Raise an error if the evaluation cannot read its ground truth."""
        if self._dataloader.get("evaluator") is not None and is_main_process():
            check_evaluator(instantiate(self._dataloader.evaluator), self.whole_model())

    def validate(self) -> dict[str, Any]:
        """Return the mean losses on the validation data."""
        if self._validation is None:
            self._validation = instantiate(self._dataloader.validation)
        with self.weights():
            return {"validation": validation_losses(self.whole_model(), self._validation)}

    def save_detections(self, run: Path) -> None:
        """Save the detections of every evaluation in `inference/` of a run folder, if the evaluator is COCO's."""
        self._folder = run
        set_output_dir(self._dataloader.get("evaluator"), run / LAST_DETECTIONS, only=COCOEvaluator)

    def keep_best(self) -> None:
        """Copy the detections of the last evaluation to `inference_best/`."""
        if self._folder is None or not is_main_process():
            return
        for path in (self._folder / LAST_DETECTIONS).glob("*_results.json"):
            target = self._folder / BEST_DETECTIONS / path.name
            target.parent.mkdir(exist_ok=True)
            target.unlink(missing_ok=True)
            try:
                os.link(path, target)  # the evaluator replaces its file and does not write into it
            except OSError:
                shutil.copyfile(path, target)

    def _evaluate(self) -> dict[str, Any]:
        if "evaluator" not in self._dataloader or self._dataloader.evaluator is None:
            return {}
        start = time.perf_counter()
        if self._loader is None:
            self._loader = instantiate(self._dataloader.test)
        evaluator = instantiate(self._dataloader.evaluator)
        self.results = dict(inference_on_dataset(self.whole_model(), self._loader, evaluator) or {})
        if is_main_process():
            print_csv_format(self.results)
        self.seconds += time.perf_counter() - start
        return self.results


def set_output_dir(evaluator: DictConfig | ListConfig | None, folder: Path, only: type = object) -> None:
    """Set `output_dir` of the evaluators of a recipe that have this argument and no value for it.

    Args:
        evaluator: The node of an evaluator, or a list of nodes.
        folder: The folder.
        only: The class of the evaluators to change.
    """
    for node in evaluator if isinstance(evaluator, ListConfig) else [evaluator]:
        if isinstance(node, DictConfig) and node.get("output_dir") is None and _accepts_folder(node, only):
            with open_dict(node):
                node.output_dir = str(folder)


def _accepts_folder(node: DictConfig, only: type) -> bool:
    target = node.get("_target_")
    evaluator_class = locate(target) if isinstance(target, str) else target
    if not isinstance(evaluator_class, type) or not issubclass(evaluator_class, only):
        return False
    return "output_dir" in inspect.signature(evaluator_class).parameters
