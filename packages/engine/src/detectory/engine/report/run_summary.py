"""Summary of a run folder: metrics, best and last evaluation, time and memory."""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from detectory.core.checkpoint import find_checkpoint
from detectory.core.config import LazyConfig
from detectory.core.storage import read_json
from detectory.engine.hooks.headline_metrics import headline_metrics
from detectory.engine.hooks.run_record import read_record
from detectory.engine.inference.run_folder import is_detectron2_config
from detectory.engine.plan import PLAN_FILE, TrainingPlan, read_plan
from detectory.engine.recipe.datasets import dataset_names
from detectory.engine.recipe.run_folder import BEST_CHECKPOINT, CONFIG_FILE
from detectory.engine.report.curves import History, read_history

_logger = logging.getLogger(__name__)

#: Name of the report in a run folder.
REPORT_FILE = "report.html"
_BEST_RECORD = "model_best.json"


@dataclass(frozen=True)
class EvaluationSummary:
    """The metrics of one evaluation.

    Attributes:
        iterations: Number of completed iterations.
        metrics: Metric by flat name, such as `"bbox/AP"`, with NaN for undefined metrics.
    """

    iterations: int
    metrics: dict[str, float]


@dataclass(frozen=True)
class RunSummary:
    """The state of a run, read from its folder.

    Attributes:
        folder: The run folder.
        history: The scalars of `metrics.json`; empty before the first lines are written.
        parts: The parts of the run, see `RunRecord`; empty for runs of Detectron2's trainer.
        plan: The plan, or None if the training was not planned.
        labels: Headline metrics and their labels, see `headline_metrics`.
        evaluations: All evaluations, oldest first.
        best: The best evaluation by `train.best_metric` or, without this setting, by the first headline metric.
        best_is_saved: Whether `model_best.pth` has the weights of the best evaluation.
    """

    folder: Path
    history: History
    parts: list[dict[str, Any]]
    plan: TrainingPlan | None
    labels: dict[str, str]
    evaluations: list[EvaluationSummary]
    best: EvaluationSummary | None
    best_is_saved: bool

    @property
    def last(self) -> EvaluationSummary | None:
        """The last evaluation."""
        return self.evaluations[-1] if self.evaluations else None

    @property
    def weights(self) -> Path | None:
        """`model_best.pth` if it was saved, else the newest intact checkpoint; None before the first one."""
        return self.folder / BEST_CHECKPOINT if self.best_is_saved else find_checkpoint(self.folder).path

    @property
    def max_iter(self) -> int | None:
        """The number of iterations of the complete training, or None if it is unknown."""
        return self.parts[-1].get("max_iter") if self.parts else None

    @property
    def iterations(self) -> int:
        """The number of completed iterations."""
        recorded = self.parts[-1].get("iterations") if self.parts else None
        if isinstance(recorded, int):
            return recorded
        last = max((points[0][-1] for points in self.history.values() if points[0]), default=-1)
        return int(last) + 1

    @property
    def end(self) -> str:
        """How the run ended: "finished", "running", "stopped: …", "failed: …" or "" if it is unknown."""
        return str(self.parts[-1].get("end", "")) if self.parts else ""

    @property
    def seconds(self) -> float | None:
        """The duration of all parts, or None if it is unknown."""
        durations = [part["seconds"] for part in self.parts if isinstance(part.get("seconds"), (int, float))]
        if durations:
            return sum(durations)
        seconds = self.seconds_per_iteration
        return None if seconds is None else seconds * self.iterations

    @property
    def seconds_per_iteration(self) -> float | None:
        """The median duration of an iteration, or None if it is unknown."""
        values = sorted(value for value in self.history.get("time", ([], []))[1] if math.isfinite(value))
        return values[len(values) // 2] if values else None

    @property
    def peak_memory(self) -> int | None:
        """The largest peak memory of the parts in bytes, or None if it is unknown."""
        peaks = [part["peak_memory"] for part in self.parts if isinstance(part.get("peak_memory"), int)]
        return max(peaks, default=None)


def read_run(folder: Path) -> RunSummary:
    """Read the summary of a run folder. Missing files are not an error.

    Raises:
        FileNotFoundError: If the folder has neither metrics nor a record of a run.
        ValueError: If `metrics.json` has an invalid line.
    """
    parts = read_record(folder)
    history: History = {}
    if (folder / "metrics.json").is_file():
        history = read_history(folder)
    elif not parts:
        reason = "it has no metrics.json" if folder.is_dir() else "no such folder"
        raise FileNotFoundError(f"{folder}: not a run folder: {reason}")
    max_iter = parts[-1].get("max_iter") if parts else None
    evaluations = _evaluations(history, max_iter)
    labels = headline_metrics(name for name in history if "/" in name)
    record = _read_dict(folder / _BEST_RECORD)
    best = _best(evaluations, record, labels, max_iter)
    return RunSummary(
        folder=folder,
        history=history,
        parts=parts,
        plan=_readable_plan(folder),
        labels=labels,
        evaluations=evaluations,
        best=best,
        best_is_saved=best is not None and bool(record) and (folder / BEST_CHECKPOINT).is_file(),
    )


def test_dataset(folder: Path) -> str | None:
    """Return the name of the first test set of a run, None if it is unknown."""
    path = folder / CONFIG_FILE
    if not path.is_file():
        return None
    if is_detectron2_config(path):
        tests = yaml.safe_load(path.read_text(encoding="utf-8")).get("DATASETS", {}).get("TEST") or []
        return str(tests[0]) if tests else None
    return next(iter(dataset_names(LazyConfig.load(str(path)), "test")), None)


def _evaluations(history: History, max_iter: int | None) -> list[EvaluationSummary]:
    by_iteration: dict[float, dict[str, float]] = {}
    for name, (iterations, values) in history.items():
        if "/" in name and not name.startswith("validation/"):
            for iteration, value in zip(iterations, values, strict=True):
                by_iteration.setdefault(iteration, {})[name] = value
    return [
        EvaluationSummary(_completed(iteration, max_iter), by_iteration[iteration])
        for iteration in sorted(by_iteration)
        if headline_metrics(by_iteration[iteration])
    ]


def _completed(iteration: float, max_iter: int | None) -> int:
    """Return the number of completed iterations; the evaluation after the last iteration is logged at `max_iter`."""
    completed = int(iteration) + 1
    return completed if max_iter is None else min(completed, max_iter)


def _best(
    evaluations: list[EvaluationSummary], record: Mapping[str, Any], labels: Mapping[str, str], max_iter: int | None
) -> EvaluationSummary | None:
    if isinstance(record.get("iteration"), (int, float)):
        completed = _completed(record["iteration"], max_iter)
        for evaluation in evaluations:
            if evaluation.iterations == completed:
                return evaluation
    metric = next(iter(labels), None)
    rated = [one for one in evaluations if metric is not None and math.isfinite(one.metrics.get(metric, math.nan))]
    return max(rated, key=lambda one: one.metrics[str(metric)], default=None)


def _readable_plan(folder: Path) -> TrainingPlan | None:
    try:
        return read_plan(folder)
    except (OSError, ValueError, TypeError) as error:
        _logger.warning("%s/%s cannot be read: %s", folder, PLAN_FILE, error)
        return None


def _read_dict(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
