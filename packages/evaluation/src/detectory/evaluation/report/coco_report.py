"""HTML report of a COCO evaluation: metrics, precision-recall curves, classes and errors."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from detectory.evaluation.coco.curves import RECALL_LEVELS
from detectory.evaluation.coco.metrics import CocoMetrics
from detectory.visualization.html import Page
from detectory.visualization.plots import bar_plot, line_plot, precision_recall_plot

from .coco_evaluation import CocoEvaluation
from .error_analysis import CORRECT
from .error_sections import add_confusions, add_errors, add_examples, detection_counts
from .image_files import ImageFiles

_LABELS = {"bbox": "box", "segm": "mask", "keypoints": "keypoint"}
_PLURALS = {"bbox": "Boxes", "segm": "Masks", "keypoints": "Keypoints"}
_METRICS_CAPTION = (
    "AP: mean over classes and IoU thresholds from 0.50 to 0.95. AP50, AP75: at an IoU threshold of 0.50 or 0.75. "
    "s, m, l: objects with an area below 32², from 32² to 96², and above 96² pixels. AR1, AR10, AR100: average recall "
    "with up to 1, 10 or 100 detections per image and class."
)
_MAX_BARS = 40
_MAX_CURVES = 8


def write_coco_report(
    evaluation: CocoEvaluation,
    path: str | os.PathLike,
    *,
    title: str = "Evaluation",
    images: str | os.PathLike | None = None,
    examples_per_type: int = 16,
) -> Path:
    """Write the report as one self-contained HTML file and return its path.

    Args:
        evaluation: The result of `evaluate_all`.
        path: Path of the file.
        title: Title of the page.
        images: Folder of the images. If None, they are searched next to the annotation file; if they are not found, the
            page lists the errors without images.
        examples_per_type: Maximum number of examples per error type.

    Raises:
        FileNotFoundError: If the folder `images` does not contain any of the images.
    """
    num_images, num_detections = len(evaluation.ground_truth.image_sizes), len(evaluation.detections)
    page = Page(title, f"{evaluation.ground_truth.name}: {num_images} images, {num_detections} detections")
    add_coco_report(page, evaluation, images=images, examples_per_type=examples_per_type)
    return page.save(path)


def add_coco_report(
    page: Page,
    evaluation: CocoEvaluation,
    *,
    images: str | os.PathLike | None = None,
    examples_per_type: int = 16,
) -> None:
    """Add the sections of the report to a page; see `write_coco_report` for the arguments."""
    files = ImageFiles(evaluation.ground_truth, images)
    _add_metrics(page, evaluation)
    _add_curves(page, evaluation)
    if evaluation.errors is None:
        page.heading("Errors").text("Error analysis requires boxes or masks, but these results have only keypoints.")
        _add_classes(page, evaluation)
        return
    add_errors(page, evaluation, evaluation.errors)
    _add_classes(page, evaluation)
    add_confusions(page, evaluation, evaluation.errors)
    add_examples(page, evaluation, evaluation.errors, files, examples_per_type)


def _add_metrics(page: Page, evaluation: CocoEvaluation) -> None:
    cards: dict[str, str | float] = {
        f"{_LABELS[task]} AP": _percent(metrics["AP"]) for task, metrics in evaluation.metrics.items()
    }
    first = next(iter(evaluation.metrics.values()))
    cards |= {name: _percent(first[name]) for name in ("AP50", "AR100") if name in first}
    if evaluation.errors is not None:
        threshold = evaluation.score_threshold
        correct, false, missed = detection_counts(evaluation.errors, evaluation.detections.scores, threshold)
        cards[f"precision at score ≥ {threshold:.2f}"] = _percent(100 * correct / max(correct + false, 1))
        cards[f"recall at score ≥ {threshold:.2f}"] = _percent(100 * correct / max(correct + missed, 1))
    page.cards(cards)
    names = [name for name in _union(evaluation.metrics.values()) if not name.startswith("AP-")]
    rows = [[name, *(metrics.get(name) for metrics in evaluation.metrics.values())] for name in names]
    rows = [row for row in rows if any(value is not None and value == value for value in row[1:])]  # drop all-NaN rows
    columns = ["metric", *(f"{_LABELS[task]} (%)" for task in evaluation.metrics)]
    page.heading("Metrics").table(columns, rows, caption=_METRICS_CAPTION)


def _add_curves(page: Page, evaluation: CocoEvaluation) -> None:
    plots = [_mean_curves_plot(task, curves) for task, curves in evaluation.curves.items()]
    plots.append(_ap_by_threshold_plot(evaluation.curves))
    first = next(iter(evaluation.curves.values()))
    is_ap50 = np.isclose(first.iou_thresholds, 0.5)
    if len(first.categories) > 1 and is_ap50.any():
        plots.append(_class_curves_plot(first, int(np.flatnonzero(is_ap50)[0]), evaluation.objects_per_class()))
    page.heading("Precision and recall").plots(*plots)


def _mean_curves_plot(task: str, curves: CocoMetrics) -> str:
    """Plot precision-recall curves at three IoU thresholds, averaged over classes."""
    lines = {}
    for iou in (0.5, 0.75, 0.9):
        indices = np.flatnonzero(np.isclose(curves.iou_thresholds, iou))
        if len(indices):
            precision = curves.precision[indices[0], :, :, 0, -1]
            lines[f"{_similarity(task)} {iou:.2f}"] = RECALL_LEVELS.tolist(), _mean_over_classes(precision)
    return precision_recall_plot(lines, title=f"{_PLURALS[task]}, mean over classes")


def _ap_by_threshold_plot(all_curves: Mapping[str, CocoMetrics]) -> str:
    lines = {}
    for task, curves in all_curves.items():
        values = [100 * curves.average_precision(iou=float(iou)) for iou in curves.iou_thresholds]
        lines[_LABELS[task]] = curves.iou_thresholds.tolist(), values
    name = " and ".join(_union([_similarity(task)] for task in all_curves))
    return line_plot(
        lines,
        title=f"AP by {name} threshold",
        x_label=f"{name} threshold",
        y_label="AP (%)",
        y_range=(0, 100),
        height=400,
    )


def _class_curves_plot(curves: CocoMetrics, threshold_index: int, num_objects: np.ndarray) -> str:
    """Plot precision-recall curves of the most frequent classes."""
    order = np.argsort(-num_objects, kind="stable")[:_MAX_CURVES].tolist()
    lines = {
        curves.categories[k]: (RECALL_LEVELS.tolist(), curves.precision[threshold_index, :, k, 0, -1].tolist())
        for k in order
        if num_objects[k]
    }
    similarity = _similarity(curves.iou_type)
    return precision_recall_plot(lines, title=f"Most frequent classes, {_LABELS[curves.iou_type]} {similarity} 0.50")


def _add_classes(page: Page, evaluation: CocoEvaluation) -> None:
    names = list(evaluation.ground_truth.category_names.values())
    columns = _class_columns(evaluation, len(names))
    rows = list(zip(names, *columns.values(), strict=True))
    rows = [row for row in rows if row[1] or row[2]]
    num_absent = len(names) - len(rows)
    note = f" Classes without objects and detections ({num_absent}) are not listed." if num_absent else ""
    page.heading("Classes").table(
        ["class", *columns],
        rows,
        caption=f"AP, AR, precision and recall in percent. Click the name of a column to sort the table.{note}",
        scroll=len(rows) > 24,
    )
    task, first = next(iter(evaluation.curves.items()))
    per_class = {name: value for name, value in first.per_category().items() if np.isfinite(value)}
    if len(per_class) > 1:
        page.plots(*_class_bar_plots(per_class, f"{_LABELS[task].capitalize()} AP per class"))


def _class_columns(evaluation: CocoEvaluation, num_classes: int) -> dict[str, list[Any]]:
    """Return the K values of each column; the first two columns are the numbers of objects and detections."""
    errors, scores = evaluation.errors, evaluation.detections.scores
    num_objects = evaluation.objects_per_class()
    columns: dict[str, list[Any]] = {
        "objects": num_objects.tolist(),
        "detections": evaluation.detections_per_class(np.ones(len(scores), bool)).tolist(),
    }
    several = len(evaluation.curves) > 1
    for task, curves in evaluation.curves.items():
        prefix = f"{_LABELS[task]} " if several else ""
        thresholds: dict[str, float | None] = {"AP": None, "AP50": 0.5}
        if not several:
            thresholds["AP75"] = 0.75
        for name, iou in thresholds.items():
            values = [100 * curves.average_precision(category=k, iou=iou) for k in range(num_classes)]
            columns[prefix + name] = values
        columns[f"{prefix}AR"] = [100 * curves.average_recall(category=k) for k in range(num_classes)]
    if errors is not None:
        is_counted = scores >= evaluation.score_threshold
        correct = evaluation.detections_per_class(is_counted & (errors.outcomes == CORRECT))
        false = evaluation.detections_per_class(is_counted & errors.is_error())
        with np.errstate(invalid="ignore", divide="ignore"):
            columns["precision"] = (100 * correct / (correct + false)).tolist()
            columns["recall"] = (100 * correct / num_objects).tolist()
    return columns


def _class_bar_plots(values: Mapping[str, float], title: str) -> list[str]:
    """Return bar plots of the classes in descending order; if there are many classes, only the best and the worst."""
    items = sorted(values.items(), key=lambda item: -item[1])
    if len(items) > _MAX_BARS:
        half = _MAX_BARS // 2
        parts = {f"{title}: best {half}": items[:half], f"{title}: worst {half}": items[-half:]}
        return [bar_plot(dict(part), title=name, x_range=(0, 100)) for name, part in parts.items()]
    half = (len(items) + 1) // 2 if len(items) > 10 else len(items)
    return [bar_plot(dict(part), title=title, x_range=(0, 100)) for part in (items[:half], items[half:]) if part]


def _mean_over_classes(precision: np.ndarray) -> list[float]:
    """Return the mean (R,) of precision (R, K) over the classes with objects; -1 if there are no such classes."""
    known = precision[:, (precision > -1).all(axis=0)]
    return known.mean(axis=1).tolist() if known.size else [-1.0] * len(precision)


def _percent(value: float) -> str:
    return "–" if value != value else f"{value:.1f}%"


def _similarity(task: str) -> str:
    """Return the name of the similarity measure of a task."""
    return "OKS" if task == "keypoints" else "IoU"


def _union(parts: Iterable[Iterable[str]]) -> list[str]:
    """Return the distinct names of all parts in order of appearance."""
    return list(dict.fromkeys(name for part in parts for name in part))
