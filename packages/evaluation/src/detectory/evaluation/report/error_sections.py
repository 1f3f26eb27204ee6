"""The part of a report that tells what went wrong: kinds of errors, calibration, confusions and pictures."""

import numpy as np

from detectory.visualization.html import GalleryItem, Page
from detectory.visualization.plots import bar_plot, histogram_plot, line_plot, matrix_plot

from .coco_evaluation import CocoEvaluation
from .error_analysis import IGNORED, KINDS, RIGHT, CocoErrors, confusion_counts, shapes_of
from .error_gallery import ErrorGallery
from .image_files import ImageFiles

_MOST_IN_MATRIX = 24
_BINS = 10


def add_errors(page: Page, evaluation: CocoEvaluation, errors: CocoErrors) -> None:
    """How many errors of each kind there are, and at which scores and sizes."""
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


def add_confusions(page: Page, evaluation: CocoEvaluation, errors: CocoErrors) -> None:
    """What objects of each class were taken for: a matrix, and the pairs that are confused most."""
    matrix = confusion_counts(evaluation.truth, evaluation.found, errors, evaluation.least)
    names = [*evaluation.truth.category_names.values()]
    last = len(names)
    page.heading("Confusions")
    inner = matrix[:last, :last].copy()
    np.fill_diagonal(inner, 0)
    worth = inner.sum(axis=0) + inner.sum(axis=1)
    if last > _MOST_IN_MATRIX:
        order = np.lexsort((-evaluation.objects_by_class(), -worth))[:_MOST_IN_MATRIX]
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


def add_gallery(page: Page, evaluation: CocoEvaluation, errors: CocoErrors, files: ImageFiles, per_kind: int) -> None:
    """Pictures of at most `per_kind` errors of each kind and of the worst images; text where there are no pictures."""
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


def totals(errors: CocoErrors, scores: np.ndarray, least: float) -> tuple[int, int, int]:
    """Right detections, wrong ones and missed objects."""
    sure = scores >= least
    wrong = sure & ~np.isin(errors.kinds, (RIGHT, IGNORED))
    return int((sure & (errors.kinds == RIGHT)).sum()), int(wrong.sum()), int(errors.missed(scores, least).sum())
