"""Complete evaluation of COCO results: metrics of every task and an error analysis."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectory.core.storage import read_json
from detectory.evaluation.coco.compute import CocoSettings, coco_metrics
from detectory.evaluation.coco.file_evaluation import all_metrics
from detectory.evaluation.coco.ground_truth import CocoGroundTruth
from detectory.evaluation.coco.metrics import CocoMetrics
from detectory.evaluation.coco.results_file import RESULT_FIELDS, load_results
from detectory.evaluation.detections import Detections

from .error_analysis import ErrorAnalysis, best_f1_threshold, find_errors

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CocoEvaluation:
    """Everything that a report shows.

    Args:
        ground_truth: The ground truth.
        metrics: Task to the result of `evaluate_coco_results`.
        curves: Task to its precision-recall curves.
        detections: The detections with the columns of all tasks.
        errors: Error analysis, by masks if the results have masks. None for results with keypoints only.
        score_threshold: Minimum score of a detection in the error analysis.
    """

    ground_truth: CocoGroundTruth
    metrics: dict[str, dict[str, float]]
    curves: dict[str, CocoMetrics]
    detections: Detections
    errors: ErrorAnalysis | None
    score_threshold: float

    def objects_per_class(self) -> np.ndarray:
        """Return the number of objects of each class without crowds, (K,)."""
        class_index = {category: index for index, category in enumerate(self.ground_truth.category_names)}
        entries = self.ground_truth.dataset["annotations"]
        categories = [entry["category_id"] for entry in entries if not entry.get("iscrowd")]
        labels = [class_index[category] for category in categories if category in class_index]
        return np.bincount(np.array(labels, dtype=np.int64), minlength=len(class_index))

    def detections_per_class(self, mask: np.ndarray) -> np.ndarray:
        """Return the number of detections of each class, (K,).

        Args:
            mask: (N,) bool, the detections to count.
        """
        ids = np.array(list(self.ground_truth.category_names))
        labels = np.searchsorted(ids, self.detections.categories[mask])
        return np.bincount(labels, minlength=len(ids))


def evaluate_all(
    annotations: str | os.PathLike | Mapping[str, Any],
    results: str | os.PathLike | Sequence[Mapping[str, Any]],
    tasks: Sequence[str] | None = None,
    settings: CocoSettings | None = None,
    *,
    log: bool = True,
) -> CocoEvaluation:
    """Evaluate COCO results, whatever tool wrote them, for every task, and analyse their errors.

    Args:
        annotations: Path or content of a COCO annotation file.
        results: Path or content of a COCO results file.
        tasks: Any of "bbox", "segm" and "keypoints". None: every task that all entries have a field for; a warning
            names the tasks that only some entries have a field for.
        settings: Thresholds, area ranges and limits. None: COCO's.
        log: Whether to log tables of the metrics.

    Raises:
        ValueError: If a file is invalid, as in `evaluate_coco_results`, or no task has a field in all entries.
    """
    ground_truth = CocoGroundTruth(annotations)
    entries, name = results, "results"
    if isinstance(results, (str, os.PathLike)):
        entries, name = read_json(results), os.fspath(results)
    tasks = list(tasks) if tasks is not None else _tasks_of(entries, name)
    detections = load_results(entries, ground_truth, tasks[0], name)
    for task in tasks[1:]:
        other = load_results(entries, ground_truth, task, name)
        detections.boxes = other.boxes if task == "bbox" else detections.boxes
        detections.masks = other.masks if task == "segm" else detections.masks
        detections.keypoints = other.keypoints if task == "keypoints" else detections.keypoints
    curves = {task: coco_metrics(ground_truth, detections, task, settings) for task in tasks}
    metrics = {task: all_metrics(task_curves, log=log) for task, task_curves in curves.items()}
    iou_type = next((task for task in ("segm", "bbox") if task in tasks), None)
    errors = find_errors(ground_truth, detections, iou_type) if iou_type else None
    score_threshold = best_f1_threshold(errors, detections.scores) if errors else 0.5
    return CocoEvaluation(ground_truth, metrics, curves, detections, errors, score_threshold)


def _tasks_of(entries: Any, name: str) -> list[str]:
    """Tasks that every entry has a field for."""
    if not isinstance(entries, Sequence) or not entries or not all(isinstance(entry, Mapping) for entry in entries):
        return ["bbox"]  # no results, or invalid ones: `load_results` raises the error
    counts = {field: sum(field in entry for entry in entries) for field in RESULT_FIELDS.values()}
    tasks = [task for task, field in RESULT_FIELDS.items() if counts[field] == len(entries)]
    partial = [
        f"{field!r} is in {count} of {len(entries)} entries and missing in entry {_first_without(entries, field)}"
        for field, count in counts.items()
        if 0 < count < len(entries)
    ]
    if tasks and partial:
        _logger.warning("%s: tasks with missing fields are not evaluated: %s", name, "; ".join(partial))
    if not tasks:
        fields = ", ".join(RESULT_FIELDS.values())
        details = f". {'; '.join(partial)}" if partial else ""
        raise ValueError(f"evaluate_all: {name}: every entry must have one of the fields {fields}{details}")
    return tasks


def _first_without(entries: Sequence[Mapping[str, Any]], field: str) -> int:
    return next(index for index, entry in enumerate(entries) if field not in entry)
