"""Run: the model, metrics, predictor and report of a training."""

import os
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from torch import nn

from detectory.core.config import LazyConfig
from detectory.engine.inference.predictor import Predictor
from detectory.engine.inference.run_folder import is_detectron2_config
from detectory.engine.plan import TrainingPlan
from detectory.engine.recipe.lookup import load_run_recipe
from detectory.engine.recipe.run_folder import CONFIG_FILE
from detectory.engine.report import REPORT_FILE, RunSummary, format_summary, read_run, write_report


class Run:
    """A finished, stopped or running training, read from its folder.

    Args:
        folder: A run folder of `train`, of `detectory train` or of Detectron2's `DefaultTrainer`. It is read when a
            property is used.

    Attributes:
        folder: The folder.

    Example:
        >>> run = Run.open("run")  # doctest: +SKIP
        >>> run.metrics["bbox"]["AP"]  # doctest: +SKIP
        43.2
        >>> run.predictor().predict("image.jpg", threshold=0.5).pred_class_names  # doctest: +SKIP
        ['mug', 'pen']
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> "Run":
        """Return the run in a folder.

        Raises:
            FileNotFoundError: If the folder does not contain a run.
        """
        run = cls(folder)
        read_run(run.folder)
        return run

    @property
    def summary(self) -> RunSummary:
        """Curves, evaluations, time and memory, read from the folder."""
        return read_run(self.folder)

    @property
    def config(self) -> DictConfig:
        """The complete recipe of the training; its dataset is registered if the folder exists."""
        if is_detectron2_config(self.folder / CONFIG_FILE):
            return LazyConfig.load(str(self.folder / CONFIG_FILE))
        return load_run_recipe(self.folder, needs_data=False)

    @property
    def plan(self) -> TrainingPlan | None:
        """The plan of the training, or None for a recipe with its own schedule."""
        return self.summary.plan

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """The metrics of `model` by task and name, such as `metrics["bbox"]["AP"]`; empty without an evaluation.

        They are those of the best evaluation if its weights are saved, else those of the last one.
        """
        summary = self.summary
        chosen = summary.best if summary.best_is_saved else summary.last
        nested: dict[str, dict[str, float]] = {}
        for name, value in (chosen.metrics if chosen is not None else {}).items():
            task, _, metric = name.rpartition("/")
            nested.setdefault(task, {})[metric] = value
        return nested

    @property
    def weights(self) -> Path | None:
        """`model_best.pth` if it was saved, else the newest intact checkpoint; None before the first one."""
        return self.summary.weights

    @cached_property
    def model(self) -> nn.Module:
        """The model with `weights` in evaluation mode, loaded at the first use."""
        return self.predictor().model

    @property
    def report(self) -> Path:
        """The report page; it is written if it does not exist yet."""
        path = self.folder / REPORT_FILE
        return path if path.is_file() else self.write_report()

    def write_report(self) -> Path:
        """Write the report page again and return its path."""
        if (self.folder / CONFIG_FILE).is_file():
            _ = self.config  # registers the dataset
        return write_report(self.folder)

    def predictor(self, *, weights: str | None = None, device: str | None = None, **options: Any) -> Predictor:
        """Return a predictor.

        Args:
            weights: A checkpoint; by default `self.weights`.
            device: By default the device of the training, or the CPU if CUDA is unavailable.
            options: Further arguments of `Predictor`.
        """
        chosen = weights or (str(self.weights) if self.weights is not None else None)
        return Predictor.from_run(self.folder, weights=chosen, device=device, **options)

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})\n{format_summary(self.summary)}"
