"""An evaluation as one page: figures, tables by class, curves, kinds of errors and pictures of them."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detectory.visualization.html import GalleryItem, Page
from detectory.visualization.plots import bar_plot, histogram_plot, line_plot, matrix_plot, precision_recall_plot

from .coco_curves import RECALLS
from .coco_errors import (
    IGNORED,
    KINDS,
    RIGHT,
    CocoErrors,
    best_threshold,
    confusion_counts,
    find_errors,
    shapes_of,
)
from .coco_evaluation import report_metrics
from .coco_figures import CocoMetrics
from .coco_ground_truth import CocoGroundTruth
from .coco_metrics import CocoSettings, coco_metrics
from .coco_results import FIELD_OF, load_results, read_results
from .detections import Detections
from .error_gallery import ErrorGallery
from .image_files import ImageFiles

_LABELS = {"bbox": "box", "segm": "mask", "keypoints": "keypoint"}
_PLURALS = {"bbox": "Boxes", "segm": "Masks", "keypoints": "Keypoints"}
_MOST_IN_MATRIX = 24
_BINS = 10


@dataclass(frozen=True)
class CocoEvaluation:
    """All that a report tells.

    Args:
        figures: task to what `evaluate_coco_results` gives for it.
        metrics: task to its curves.
        found: the detections with all that the file holds of boxes, masks and keypoints.
        errors: what became of each detection and object, by masks where there are any; None for keypoints alone.
        least: the score from which detections count as errors.
    """

    truth: CocoGroundTruth
    figures: dict[str, dict[str, float]]
    metrics: dict[str, CocoMetrics]
    found: Detections
    errors: CocoErrors | None
    least: float


def evaluate_all(
    annotations: str | os.PathLike | Mapping[str, Any],
    results: str | os.PathLike | Sequence[Mapping[str, Any]],
    tasks: Sequence[str] | None = None,
    settings: CocoSettings | None = None,
) -> CocoEvaluation:
    """Measure COCO results of any tool for every kind of result that they hold, and sort out their errors.

    Args:
        annotations: a COCO annotation file, or what it holds.
        results: a COCO results file, or its list.
        tasks: of "bbox", "segm" and "keypoints"; None: those that the first entry has.
        settings: thresholds, areas and limits; None: COCO's.

    Raises:
        ValueError: as `evaluate_coco_results`; where the entries hold no task at all.
    """
    truth = CocoGroundTruth(annotations)
    entries, name = results, "results"
    if isinstance(results, (str, os.PathLike)):
        entries, name = read_results(results), os.fspath(results)
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
        evaluation: what `evaluate_all` gives.
        path: of the file.
        title: of the page.
        images: the folder of the pictures; None: looked for beside the annotation file. Without pictures the errors
            are listed as text, and the page says so.
        pictures_per_error: how many errors of each kind are shown.

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
    _add_errors(page, evaluation, evaluation.errors)
    _add_classes(page, evaluation)
    _add_confusions(page, evaluation, evaluation.errors)
    _add_gallery(page, evaluation, evaluation.errors, files, pictures_per_error)
    return page.save(path)


def _tasks_of(entries: Any, name: str) -> list[str]:
    """The tasks that the first entry can be measured for; "bbox" where there is none."""
    if not isinstance(entries, Sequence) or not entries or not isinstance(entries[0], Mapping):
        return ["bbox"]  # `load_results` says what is wrong
    tasks = [task for task, field in FIELD_OF.items() if field in entries[0]]
    if not tasks:
        raise ValueError(f"evaluate_all: {name}: entry 0 has none of {', '.join(FIELD_OF.values())}")
    return tasks


def _add_figures(page: Page, evaluation: CocoEvaluation) -> None:
    errors, scores = evaluation.errors, evaluation.found.scores
    cards: dict[str, str | float] = {}
    for task, figures in evaluation.figures.items():
        cards[f"{_LABELS[task]} AP"] = _percent(figures["AP"])
    first = next(iter(evaluation.figures.values()))
    cards |= {name: _percent(first[name]) for name in ("AP50", "AR100") if name in first}
    if errors is not None:
        right, wrong, missed = _totals(errors, scores, evaluation.least)
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
    objects = _objects_by_class(evaluation.truth)
    most = [k for k in np.argsort(-objects, kind="stable")[:8].tolist() if objects[k]]
    if len(first.categories) > 1 and np.isclose(first.iou_thresholds, 0.5).any():
        at = int(np.flatnonzero(np.isclose(first.iou_thresholds, 0.5))[0])
        curves = {first.categories[k]: (RECALLS.tolist(), first.precision[at, :, k, 0, -1].tolist()) for k in most}
        plots.append(
            precision_recall_plot(curves, title=f"Classes with the most objects, {_LABELS[first.iou_type]} IoU 0.50")
        )
    page.plots(*plots)


def _add_errors(page: Page, evaluation: CocoEvaluation, errors: CocoErrors) -> None:
    scores, least = evaluation.found.scores, evaluation.least
    page.heading("Errors")
    page.text(
        f"An object is found at an overlap of {errors.threshold:g}. Detections count from a score of {least:.2f}, "
        "where precision and recall balance best; the class averages above know no such limit."
    )
    kinds = {name: int(((errors.kinds == k) & (scores >= least)).sum()) for k, name in enumerate(KINDS)}
    shown = {_KIND_NAMES[name]: float(kinds[name]) for name in _KIND_NAMES if name in kinds}
    shown["missed objects"] = float(errors.missed(scores, least).sum())
    right, wrong = errors.kinds == RIGHT, ~np.isin(errors.kinds, (RIGHT, IGNORED))
    sure = scores >= (0.1 if (scores < 0.1).sum() > len(scores) / 2 else 0.0)
    by_score = {"right": scores[right & sure].tolist(), "wrong": scores[wrong & sure].tolist()}
    sizes = np.sqrt(errors.objects.areas)
    lost, real = errors.missed(scores, least), ~errors.crowd
    top = float(np.quantile(sizes[real], 0.99)) if real.any() else 1.0
    by_size = {"found": sizes[real & ~lost].tolist(), "missed": sizes[lost].tolist()}
    page.plots(
        bar_plot(shown, title="Kinds of errors"),
        _calibration(errors, scores),
        histogram_plot(by_score, value_range=(0, 1), title="Scores", x_label="score", y_label="detections"),
        histogram_plot(by_size, value_range=(0, top), title="Sizes", x_label="√area, pixels", y_label="objects"),
    )


_KIND_NAMES = {
    "background": "on background",
    "localisation": "badly localised",
    "confusion": "other class",
    "duplicate": "duplicates",
}


def _calibration(errors: CocoErrors, scores: np.ndarray) -> str:
    """How often detections of a score are right, and the mean difference between the two."""
    counts = errors.kinds != IGNORED
    judged, right = scores[counts], errors.kinds[counts] == RIGHT
    bins = np.clip((judged * _BINS).astype(int), 0, _BINS - 1)
    sizes = np.bincount(bins, minlength=_BINS)
    filled = sizes > 0
    mean = np.bincount(bins, judged, _BINS)[filled] / sizes[filled]
    share = np.bincount(bins, right, _BINS)[filled] / sizes[filled]
    error = float((sizes[filled] * np.abs(mean - share)).sum() / max(sizes.sum(), 1))
    lines = {"detections": (mean.tolist(), share.tolist()), "calibrated": ([0.0, 1.0], [0.0, 1.0])}
    return line_plot(
        lines, title=f"Calibration: expected error {100 * error:.1f}%", x_label="score", y_label="share that is right",
        x_range=(0, 1), y_range=(0, 1.02), dashed=("calibrated",), height=320,
    )  # fmt: skip


def _add_classes(page: Page, evaluation: CocoEvaluation) -> None:
    metrics, errors = evaluation.metrics, evaluation.errors
    names = list(evaluation.truth.category_names.values())
    objects, found = (
        _objects_by_class(evaluation.truth),
        _count_by_class(evaluation, np.ones(len(evaluation.found), bool)),
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
        right = _count_by_class(evaluation, sure & (errors.kinds == RIGHT))
        wrong = _count_by_class(evaluation, sure & ~np.isin(errors.kinds, (RIGHT, IGNORED)))
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


def _add_confusions(page: Page, evaluation: CocoEvaluation, errors: CocoErrors) -> None:
    matrix = confusion_counts(evaluation.truth, evaluation.found, errors, evaluation.least)
    names = [*evaluation.truth.category_names.values()]
    last = len(names)
    page.heading("Confusions")
    inner = matrix[:last, :last].copy()
    np.fill_diagonal(inner, 0)
    worth = inner.sum(axis=0) + inner.sum(axis=1)
    if last > _MOST_IN_MATRIX:
        order = np.lexsort((-_objects_by_class(evaluation.truth), -worth))[:_MOST_IN_MATRIX]
        chosen = sorted(order.tolist())
        note = f"The {len(chosen)} classes of {last} that are confused most."
    else:
        chosen, note = list(range(last)), ""
    shown = [*chosen, last]
    labels = [names[k] for k in chosen]
    page.text(f"Rows are true classes, columns what they were taken for. {note}".strip())
    plot = matrix_plot(matrix[np.ix_(shown, shown)], [*labels, "(nothing)"], [*labels, "(missed)"], width=1080)
    page.plots(plot)
    pairs = [(int(inner[i, j]), names[i], names[j]) for i, j in np.argwhere(inner > 0)]
    pairs.sort(key=lambda pair: (-pair[0], pair[1:]))
    if pairs:
        page.table(["true class", "taken for", "objects"], [[true, named, n] for n, true, named in pairs[:20]])


def _add_gallery(page: Page, evaluation: CocoEvaluation, errors: CocoErrors, files: ImageFiles, per_kind: int) -> None:
    found, truth = evaluation.found, evaluation.truth
    boxes = shapes_of(truth, errors.objects, found, "bbox")[0]
    masks = shapes_of(truth, errors.objects, found, "segm") if found.masks is not None else None
    gallery = ErrorGallery(truth, found, errors, boxes, masks, files, evaluation.least)
    page.heading("Pictures of errors")
    if files.folder is None:
        page.text(
            "No pictures were found beside the annotation file, so the errors are listed as text. Name the pictures' "
            "folder (--images DIR) to see them."
        )
        listed = [(gallery.describe(*error), error) for error in gallery.chosen(per_kind)]
        rows = [[keys["kind"], keys["class"], keys["score"], keys["size"], caption] for (caption, keys), _ in listed]
        page.table(["kind", "class", "score", "size", "what"], rows, scroll=True)
    else:
        page.text(
            "Red: what was detected. Green: the object it is on. Amber: missed. The surest errors of each kind, the "
            "largest missed objects; a click shows one large."
        )
        tiles = list(gallery.tiles(per_kind))
        page.gallery(tiles, sort_by=("score", "size", "class"), filter_by="kind", tile_width=260)
    worst = gallery.worst_images(30)
    page.heading("Worst images")
    rows = [[files.name(w["image_id"]), w["objects"], w["right"], w["wrong"], w["missed"]] for w in worst]
    page.table(["image", "objects", "right", "wrong", "missed"], rows, scroll=len(rows) > 12)
    pictures = []
    for row in worst[:8]:
        picture = gallery.whole(row["image_id"])
        if picture is not None:
            caption = (
                f"{files.name(row['image_id'])}: {row['right']} right, {row['wrong']} wrong, {row['missed']} missed"
            )
            pictures.append(GalleryItem(picture, caption))
    if pictures:
        page.text("Green: right. Red: wrong. Amber: missed.")
        page.gallery(pictures, tile_width=420)


def _totals(errors: CocoErrors, scores: np.ndarray, least: float) -> tuple[int, int, int]:
    """Right detections, wrong ones and missed objects."""
    sure = scores >= least
    wrong = sure & ~np.isin(errors.kinds, (RIGHT, IGNORED))
    return int((sure & (errors.kinds == RIGHT)).sum()), int(wrong.sum()), int(errors.missed(scores, least).sum())


def _objects_by_class(truth: CocoGroundTruth) -> np.ndarray:
    """(K,) objects of each class, crowds left out."""
    position = {category: index for index, category in enumerate(truth.category_names)}
    entries = truth.dataset["annotations"]
    labels = [position[e["category_id"]] for e in entries if not e.get("iscrowd") and e["category_id"] in position]
    return np.bincount(np.array(labels, dtype=np.int64), minlength=len(position))


def _count_by_class(evaluation: CocoEvaluation, chosen: np.ndarray) -> np.ndarray:
    """(K,) chosen detections of each class."""
    ids = np.array(list(evaluation.truth.category_names))
    places = np.searchsorted(ids, evaluation.found.categories[chosen])
    return np.bincount(places, minlength=len(ids))


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
