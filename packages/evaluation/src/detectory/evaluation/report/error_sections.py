"""Report sections on errors: error types, calibration, confusion matrix and error examples."""

import numpy as np

from detectory.visualization.html import GalleryItem, Page
from detectory.visualization.plots import bar_plot, histogram_plot, line_plot, matrix_plot

from .coco_evaluation import CocoEvaluation
from .error_analysis import BACKGROUND, CONFUSION, CORRECT, DUPLICATE, IGNORED, LOCALISATION, ErrorAnalysis
from .error_analysis import confusion_matrix as compute_confusion_matrix
from .error_gallery import ErrorGallery
from .image_files import ImageFiles
from .shapes import shapes_of

_MAX_CLASSES_IN_MATRIX = 24
_NUM_BINS = 10
_NUM_WORST_IMAGES = 30
_ERROR_TYPES = {
    BACKGROUND: "background",
    LOCALISATION: "localisation",
    CONFUSION: "wrong class",
    DUPLICATE: "duplicate",
}


def add_errors(page: Page, evaluation: CocoEvaluation, errors: ErrorAnalysis) -> None:
    """Add the number of errors by type, and their scores and sizes."""
    scores, threshold = evaluation.detections.scores, evaluation.score_threshold
    is_counted = scores >= threshold
    is_missed, is_object = errors.is_missed(scores, threshold), ~errors.crowd
    page.heading("Errors")
    page.text(
        f"A detection matches an object if their IoU is at least {errors.iou_threshold:g}. Errors are counted at a "
        f"score threshold of {threshold:.2f}, which maximises the F1 score. AP and AR do not depend on this threshold."
    )
    counts = {name: float(((errors.outcomes == o) & is_counted).sum()) for o, name in _ERROR_TYPES.items()}
    counts["missed object"] = float(is_missed.sum())
    # Many detections with low scores would dominate the scale of the histogram.
    has_long_tail = (scores < 0.1).sum() > len(scores) / 2
    is_shown = scores >= (0.1 if has_long_tail else 0.0)
    by_score = {
        "correct": scores[(errors.outcomes == CORRECT) & is_shown].tolist(),
        "false": scores[errors.is_error() & is_shown].tolist(),
    }
    sizes = np.sqrt(errors.objects.areas)
    max_size = float(np.quantile(sizes[is_object], 0.99)) if is_object.any() else 1.0
    by_size = {"detected": sizes[is_object & ~is_missed].tolist(), "missed": sizes[is_missed].tolist()}
    page.plots(
        bar_plot(counts, title="Error types"),
        _calibration_plot(errors, scores),
        histogram_plot(
            by_score, value_range=(0, 1), title="Detections by score", x_label="score", y_label="detections"
        ),
        histogram_plot(
            by_size, value_range=(0, max_size), title="Objects by size", x_label="√area (pixels)", y_label="objects"
        ),
    )


def _calibration_plot(errors: ErrorAnalysis, scores: np.ndarray) -> str:
    """Reliability diagram: precision of detections by score, and the expected calibration error (ECE).

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 2.
    """
    is_counted = errors.outcomes != IGNORED
    confidence, is_correct = scores[is_counted], errors.outcomes[is_counted] == CORRECT
    bins = np.clip((confidence * _NUM_BINS).astype(int), 0, _NUM_BINS - 1)
    counts = np.bincount(bins, minlength=_NUM_BINS)
    filled = counts > 0
    mean_score = np.bincount(bins, confidence, _NUM_BINS)[filled] / counts[filled]
    precision = np.bincount(bins, is_correct, _NUM_BINS)[filled] / counts[filled]
    ece = float((counts[filled] * np.abs(mean_score - precision)).sum() / max(counts.sum(), 1))
    return line_plot(
        {
            "detections": (mean_score.tolist(), precision.tolist()),
            "perfect calibration": ([0.0, 1.0], [0.0, 1.0]),
        },
        title=f"Calibration (expected calibration error {100 * ece:.1f}%)",
        x_label="score",
        y_label="precision",
        x_range=(0, 1),
        y_range=(0, 1.02),
        dashed=("perfect calibration",),
        height=320,
    )


def add_confusions(page: Page, evaluation: CocoEvaluation, errors: ErrorAnalysis) -> None:
    """Add the confusion matrix and the most frequent confusions."""
    matrix = compute_confusion_matrix(
        evaluation.ground_truth, evaluation.detections, errors, evaluation.score_threshold
    )
    names = list(evaluation.ground_truth.category_names.values())
    last = len(names)
    confusions = matrix[:last, :last].copy()
    np.fill_diagonal(confusions, 0)
    page.heading("Confusion matrix")
    shown, note = list(range(last)), ""
    if last > _MAX_CLASSES_IN_MATRIX:
        per_class = confusions.sum(axis=0) + confusions.sum(axis=1)
        order = np.lexsort((-evaluation.objects_per_class(), -per_class))[:_MAX_CLASSES_IN_MATRIX]
        shown = sorted(order.tolist())
        note = f" Only the {len(shown)} most frequently confused of {last} classes are shown."
    page.text(f"Rows are true classes, columns are predicted classes.{note}")
    labels = [names[k] for k in shown]
    indices = [*shown, last]
    page.plots(
        matrix_plot(matrix[np.ix_(indices, indices)], [*labels, "(background)"], [*labels, "(missed)"], width=1080)
    )
    pairs = [(int(confusions[i, j]), names[i], names[j]) for i, j in np.argwhere(confusions > 0)]
    pairs.sort(key=lambda pair: (-pair[0], pair[1:]))
    if pairs:
        columns = ["true class", "predicted class", "objects"]
        page.table(columns, [[true, predicted, count] for count, true, predicted in pairs[:20]])


def add_examples(
    page: Page, evaluation: CocoEvaluation, errors: ErrorAnalysis, files: ImageFiles, per_type: int
) -> None:
    """Add up to `per_type` examples of each error type and the worst images; without image files, add tables only."""
    detections, ground_truth = evaluation.detections, evaluation.ground_truth
    boxes = np.asarray(shapes_of(ground_truth, errors.objects, detections, "bbox").detections)
    has_masks = detections.masks is not None
    masks = shapes_of(ground_truth, errors.objects, detections, "segm") if has_masks else None
    gallery = ErrorGallery(ground_truth, detections, errors, boxes, masks, files, evaluation.score_threshold)
    page.heading("Error examples")
    if files.folder is None:
        page.text(
            "The image files were not found next to the annotation file, so the errors are listed without images. "
            "To show the images, pass their folder (--images DIR)."
        )
        rows = []
        for example in gallery.examples(per_type):
            caption, keys = gallery.describe(example)
            rows.append([*keys.values(), caption])
        page.table(["type", "class", "score", "size", "error"], rows, scroll=True)
    else:
        page.text(
            "Red: detection. Green: overlapping object. Amber: missed object. The gallery shows the errors of each "
            "type with the highest scores, and the largest missed objects. Click an image to enlarge it."
        )
        crops = list(gallery.crops(per_type))
        page.gallery(crops, sort_by=("score", "size", "class"), filter_by="type", tile_width=260)
    _add_worst_images(page, gallery, files)


def _add_worst_images(page: Page, gallery: ErrorGallery, files: ImageFiles) -> None:
    worst = gallery.worst_images(_NUM_WORST_IMAGES)
    page.heading("Images with the most errors")
    rows: list[list[str | float | None]] = [
        [files.name(w.image_id), w.objects, w.correct, w.false, w.missed] for w in worst
    ]
    columns = ["image", "objects", "correct detections", "false detections", "missed objects"]
    page.table(columns, rows, scroll=len(rows) > 12)
    tiles = []
    for image in worst[:8]:
        drawn = gallery.draw_image(image.image_id)
        if drawn is not None:
            name = files.name(image.image_id)
            tiles.append(
                GalleryItem(drawn, f"{name}: {image.correct} correct, {image.false} false, {image.missed} missed")
            )
    if tiles:
        page.text("Green: correct detection. Red: false detection. Amber: missed object.")
        page.gallery(tiles, tile_width=420)


def detection_counts(errors: ErrorAnalysis, scores: np.ndarray, score_threshold: float) -> tuple[int, int, int]:
    """Return the numbers of correct detections, false detections and missed objects."""
    is_counted = scores >= score_threshold
    correct = is_counted & (errors.outcomes == CORRECT)
    false = is_counted & errors.is_error()
    return int(correct.sum()), int(false.sum()), int(errors.is_missed(scores, score_threshold).sum())
