"""COCO evaluation of results files, and the log tables of COCO metrics."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import hotcoco

from detectory.core.suggestions import nearest
from detectory.evaluation.detections import Detections
from detectory.evaluation.results_table import format_categories, format_metrics

from .compute import CocoSettings, coco_metrics
from .ground_truth import CocoGroundTruth
from .metrics import CocoMetrics
from .results_file import RESULT_FIELDS, load_box_results, load_results

_logger = logging.getLogger(__name__)


def evaluate_coco_results(
    annotations: str | os.PathLike | Mapping[str, Any],
    results: str | os.PathLike | Sequence[Mapping[str, Any]],
    iou_type: str = "bbox",
    settings: CocoSettings | None = None,
) -> dict[str, float]:
    """Evaluate COCO results, whatever tool wrote them.

    Args:
        annotations: Path or content of a COCO annotation file.
        results: Path or content of a COCO results file.
        iou_type: "bbox", "segm" or "keypoints".
        settings: Thresholds, area ranges and limits. None: COCO's.

    Returns:
        Metric name to percent, with "AP-<class>" if there are at least two classes.

    Raises:
        ValueError: If `iou_type` is unknown or a file is invalid. The message names the file, the entry and its field.
    """
    if iou_type not in RESULT_FIELDS:
        raise ValueError(f"evaluate_coco_results: unknown iou_type {iou_type!r}: {nearest(iou_type, RESULT_FIELDS)}")
    ground_truth = CocoGroundTruth(annotations)
    detections: Detections | hotcoco.COCO | None = None
    if iou_type == "bbox" and isinstance(results, (str, os.PathLike)):
        detections = load_box_results(Path(results), ground_truth)
    if detections is None:
        detections = load_results(results, ground_truth, iou_type)
    return all_metrics(coco_metrics(ground_truth, detections, iou_type, settings))


def all_metrics(metrics: CocoMetrics, *, log: bool = True) -> dict[str, float]:
    """Return the summary and the AP per class as one dict in percent, and optionally log both as tables."""
    summary = metrics.summary()
    per_category = metrics.per_category() if len(metrics.categories) > 1 else {}
    if log:
        _logger.info("Evaluation results for %s:\n%s", metrics.iou_type, format_metrics(summary))
    if log and per_category:
        _logger.info("Per-category %s AP:\n%s", metrics.iou_type, format_categories(per_category))
    return summary | {f"AP-{name}": value for name, value in per_category.items()}
