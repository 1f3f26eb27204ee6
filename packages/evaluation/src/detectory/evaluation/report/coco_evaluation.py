"""Measures COCO results of any tool for every kind of result that they hold, and sorts out their errors."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectory.core.storage import read_json
from detectory.evaluation.coco.compute import CocoSettings, coco_metrics
from detectory.evaluation.coco.evaluator import report_metrics
from detectory.evaluation.coco.ground_truth import CocoGroundTruth
from detectory.evaluation.coco.metrics import CocoMetrics
from detectory.evaluation.coco.results_file import FIELD_OF, load_results
from detectory.evaluation.detections import Detections

from .error_analysis import CocoErrors, best_threshold, find_errors


@dataclass(frozen=True)
class CocoEvaluation:
    """All that a report tells.

    Args:
        figures: Task to what `evaluate_coco_results` gives for it.
        metrics: Task to its curves.
        found: The detections with all that the file holds of boxes, masks and keypoints.
        errors: What became of each detection and object, by masks where there are any; None for keypoints alone.
        least: The score from which detections count as errors.
    """

    truth: CocoGroundTruth
    figures: dict[str, dict[str, float]]
    metrics: dict[str, CocoMetrics]
    found: Detections
    errors: CocoErrors | None
    least: float

    def objects_by_class(self) -> np.ndarray:
        """(K,) objects of each class, crowds left out."""
        position = {category: index for index, category in enumerate(self.truth.category_names)}
        entries = self.truth.dataset["annotations"]
        labels = [position[e["category_id"]] for e in entries if not e.get("iscrowd") and e["category_id"] in position]
        return np.bincount(np.array(labels, dtype=np.int64), minlength=len(position))

    def found_by_class(self, chosen: np.ndarray) -> np.ndarray:
        """(K,) detections of each class, of those that are chosen: (N,) bool."""
        ids = np.array(list(self.truth.category_names))
        places = np.searchsorted(ids, self.found.categories[chosen])
        return np.bincount(places, minlength=len(ids))


def evaluate_all(
    annotations: str | os.PathLike | Mapping[str, Any],
    results: str | os.PathLike | Sequence[Mapping[str, Any]],
    tasks: Sequence[str] | None = None,
    settings: CocoSettings | None = None,
) -> CocoEvaluation:
    """Measure COCO results of any tool for every kind of result that they hold, and sort out their errors.

    Args:
        annotations: A COCO annotation file, or what it holds.
        results: A COCO results file, or its list.
        tasks: Of "bbox", "segm" and "keypoints"; None: those that the first entry has.
        settings: Thresholds, areas and limits; None: COCO's.

    Raises:
        ValueError: as `evaluate_coco_results`; where the entries hold no task at all.
    """
    truth = CocoGroundTruth(annotations)
    entries, name = results, "results"
    if isinstance(results, (str, os.PathLike)):
        entries, name = read_json(results), os.fspath(results)
    tasks = list(tasks) if tasks is not None else _tasks_of(entries, name)
    found = load_results(entries, truth, tasks[0], name)
    for task in tasks[1:]:
        more = load_results(entries, truth, task, name)
        found.boxes = more.boxes if task == "bbox" else found.boxes
        found.masks = more.masks if task == "segm" else found.masks
        found.keypoints = more.keypoints if task == "keypoints" else found.keypoints
    metrics = {task: coco_metrics(truth, found, task, settings) for task in tasks}
    figures = {task: report_metrics(measured) for task, measured in metrics.items()}
    shape = next((task for task in ("segm", "bbox") if task in tasks), None)
    errors = find_errors(truth, found, shape) if shape else None
    least = best_threshold(errors, found.scores) if errors else 0.5
    return CocoEvaluation(truth, figures, metrics, found, errors, least)


def _tasks_of(entries: Any, name: str) -> list[str]:
    """The tasks that the first entry can be measured for; "bbox" where there is none."""
    if not isinstance(entries, Sequence) or not entries or not isinstance(entries[0], Mapping):
        return ["bbox"]  # `load_results` says what is wrong
    tasks = [task for task, field in FIELD_OF.items() if field in entries[0]]
    if not tasks:
        raise ValueError(f"evaluate_all: {name}: entry 0 has none of {', '.join(FIELD_OF.values())}")
    return tasks
