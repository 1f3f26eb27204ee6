"""An evaluation as one page: figures, tables by class, curves, kinds of errors and pictures of them."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from detectory.evaluation.coco.curves import RECALLS
from detectory.visualization.html import Page
from detectory.visualization.plots import bar_plot, line_plot, precision_recall_plot

from .coco_evaluation import CocoEvaluation
from .error_analysis import IGNORED, RIGHT
from .error_sections import add_confusions, add_errors, add_gallery, totals
from .image_files import ImageFiles

_LABELS = {"bbox": "box", "segm": "mask", "keypoints": "keypoint"}
_PLURALS = {"bbox": "Boxes", "segm": "Masks", "keypoints": "Keypoints"}


def write_coco_report(
    evaluation: CocoEvaluation,
    path: str | os.PathLike,
    *,
    title: str = "Evaluation",
    images: str | os.PathLike | None = None,
    pictures_per_error: int = 16,
) -> Path:
    """Write the report as one HTML file that needs no other file, and return its path.

    Args:
        evaluation: What `evaluate_all` gives.
        path: Of the file.
        title: Of the page.
        images: The folder of the pictures; None: looked for beside the annotation file. Without pictures the errors
            are listed as text, and the page says so.
        pictures_per_error: How many errors of each kind are shown.

    Raises:
        FileNotFoundError: where `images` is given and holds none of the pictures.
    """
    files = ImageFiles(evaluation.truth, images)
    count = len(evaluation.truth.image_sizes)
    page = Page(title, f"{evaluation.truth.name}: {count} images, {len(evaluation.found)} detections")
    _add_figures(page, evaluation)
    _add_curves(page, evaluation)
    if evaluation.errors is None:
        page.heading("Errors").text("Errors are sorted out for boxes and masks; these results hold keypoints alone.")
        _add_classes(page, evaluation)
        return page.save(path)
    add_errors(page, evaluation, evaluation.errors)
    _add_classes(page, evaluation)
    add_confusions(page, evaluation, evaluation.errors)
    add_gallery(page, evaluation, evaluation.errors, files, pictures_per_error)
    return page.save(path)


def _add_figures(page: Page, evaluation: CocoEvaluation) -> None:
    errors, scores = evaluation.errors, evaluation.found.scores
    cards: dict[str, str | float] = {}
    for task, figures in evaluation.figures.items():
        cards[f"{_LABELS[task]} AP"] = _percent(figures["AP"])
    first = next(iter(evaluation.figures.values()))
    cards |= {name: _percent(first[name]) for name in ("AP50", "AR100") if name in first}
    if errors is not None:
        right, wrong, missed = totals(errors, scores, evaluation.least)
        cards[f"precision at score {evaluation.least:.2f}"] = _percent(100 * right / max(right + wrong, 1))
        cards[f"recall at score {evaluation.least:.2f}"] = _percent(100 * right / max(right + missed, 1))
    page.cards(cards)
    names = [name for name in _union(evaluation.figures.values()) if not name.startswith("AP-")]
    rows = [[name, *(f.get(name) for f in evaluation.figures.values())] for name in names]
    rows = [row for row in rows if any(value is not None and value == value for value in row[1:])]
    page.heading("Figures")
    page.table(["metric", *(f"{_LABELS[task]} %" for task in evaluation.figures)], rows, caption=_EXPLAINED)


_EXPLAINED = (
    "AP: mean over overlaps of 0.50 to 0.95 and classes; AP50, AP75: at one overlap; s, m, l: objects below 32², "
    "below 96² and above 96² pixels; AR with a number: recall with so many detections an image and class."
)


def _add_curves(page: Page, evaluation: CocoEvaluation) -> None:
    page.heading("Precision and recall")
    plots = []
    for task, metrics in evaluation.metrics.items():
        curves = {}
        for iou in (0.5, 0.75, 0.9):
            row = np.flatnonzero(np.isclose(metrics.iou_thresholds, iou))
            if len(row):
                curves[f"{_overlap(task)} {iou:.2f}"] = (
                    RECALLS.tolist(),
                    _mean_curve(metrics.precision[row[0], :, :, 0, -1]),
                )
        title = f"{_PLURALS[task]}, mean over classes"
        plots.append(precision_recall_plot(curves, title=title))
    by_overlap = {}
    for task, metrics in evaluation.metrics.items():
        values = [100 * metrics.average_precision(iou=float(iou)) for iou in metrics.iou_thresholds]
        by_overlap[_LABELS[task]] = metrics.iou_thresholds.tolist(), values
    plots.append(
        line_plot(
            by_overlap,
            title="AP by overlap",
            x_label=" and ".join(dict.fromkeys(map(_overlap, evaluation.metrics))),
            y_label="AP %",
            y_range=(0, 100),
            height=400,
        )
    )
    first = next(iter(evaluation.metrics.values()))
    objects = evaluation.objects_by_class()
    most = [k for k in np.argsort(-objects, kind="stable")[:8].tolist() if objects[k]]
    if len(first.categories) > 1 and np.isclose(first.iou_thresholds, 0.5).any():
        at = int(np.flatnonzero(np.isclose(first.iou_thresholds, 0.5))[0])
        curves = {first.categories[k]: (RECALLS.tolist(), first.precision[at, :, k, 0, -1].tolist()) for k in most}
        plots.append(
            precision_recall_plot(curves, title=f"Classes with the most objects, {_LABELS[first.iou_type]} IoU 0.50")
        )
    page.plots(*plots)


def _add_classes(page: Page, evaluation: CocoEvaluation) -> None:
    metrics, errors = evaluation.metrics, evaluation.errors
    names = list(evaluation.truth.category_names.values())
    objects, found = (
        evaluation.objects_by_class(),
        evaluation.found_by_class(np.ones(len(evaluation.found), bool)),
    )
    columns = ["class", "objects", "detections"]
    tables: list[Any] = [names, objects.tolist(), found.tolist()]
    for task, measured in metrics.items():
        label = _LABELS[task] + " " if len(metrics) > 1 else ""
        overlaps = (0.5,) if len(metrics) > 1 else (0.5, 0.75)
        options = [("AP", None), *((f"AP{100 * iou:.0f}", iou) for iou in overlaps)]
        for name, iou in options:
            columns.append(label + name)
            tables.append([100 * measured.average_precision(category=k, iou=iou) for k in range(len(names))])
        columns.append(label + "AR")
        tables.append([100 * measured.average_recall(category=k) for k in range(len(names))])
    if errors is not None:
        sure = evaluation.found.scores >= evaluation.least
        right = evaluation.found_by_class(sure & (errors.kinds == RIGHT))
        wrong = evaluation.found_by_class(sure & ~np.isin(errors.kinds, (RIGHT, IGNORED)))
        with np.errstate(invalid="ignore", divide="ignore"):
            columns += ["precision", "recall"]
            tables += [(100 * right / (right + wrong)).tolist(), (100 * right / objects).tolist()]
    rows = [row for row in zip(*tables, strict=True) if row[1] or row[2]]
    page.heading("Classes")
    absent = len(names) - len(rows)
    note = f"{absent} classes have neither objects nor detections. " if absent else ""
    page.table(
        columns, rows, caption=f"{note}Figures in percent; a click on a column's name sorts.", scroll=len(rows) > 24
    )
    task, first = next(iter(metrics.items()))
    values = {name: value for name, value in first.per_category().items() if np.isfinite(value)}
    if len(values) > 1:
        ordered = sorted(values.items(), key=lambda item: -item[1])
        title = f"{_LABELS[task].capitalize()} AP by class"
        if len(ordered) > 40:
            page.plots(
                bar_plot(dict(ordered[:20]), title=f"{title}: the best 20", x_range=(0, 100)),
                bar_plot(dict(ordered[-20:]), title=f"{title}: the worst 20", x_range=(0, 100)),
            )
        else:
            half = (len(ordered) + 1) // 2 if len(ordered) > 10 else len(ordered)
            parts = [dict(part) for part in (ordered[:half], ordered[half:]) if part]
            page.plots(*(bar_plot(part, title=title, x_range=(0, 100)) for part in parts))


def _mean_curve(precision: np.ndarray) -> list[float]:
    """The mean over classes with objects, of (R, K)."""
    known = precision[:, (precision > -1).all(axis=0)]
    return known.mean(axis=1).tolist() if known.size else [-1.0] * len(precision)


def _percent(value: float) -> str:
    return "–" if value != value else f"{value:.1f}%"


def _overlap(task: str) -> str:
    return "OKS" if task == "keypoints" else "IoU"


def _union(parts: Any) -> list[str]:
    return list(dict.fromkeys(name for part in parts for name in part))
