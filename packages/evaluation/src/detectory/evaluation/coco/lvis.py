"""Evaluates boxes and masks by LVIS's metrics: federated ground truth, classes by frequency.

Source: Gupta et al., "LVIS: A Dataset for Large Vocabulary Instance Segmentation", CVPR 2019; the limit per class:
Dave et al., "Evaluating Large-Vocabulary Object Detectors: The Devil is in the Details", 2021.
"""

import contextlib
import io
import math
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import hotcoco
import numpy as np

from detectory.evaluation.detections import Detections

from .compute import engine_detections
from .evaluator import COCOEvaluator
from .ground_truth import CocoGroundTruth
from .results_file import load_results

_METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "APr", "APc", "APf")


class LVISEvaluator(COCOEvaluator):
    """LVIS's average precision of boxes and masks, and that of rare, common and frequent classes.

    Args:
        dataset_name: A registered dataset with `json_file`, an LVIS annotation file, in its metadata.
        tasks: Of "bbox" and "segm"; None: those that the predictions have.
        distributed: Whether predictions of all processes are evaluated together, in the main process.
        output_dir: Where `lvis_instances_results.json` and `instances_predictions.pth` are written.
        max_dets_per_image: How many detections of an image count; None: LVIS's 300.
        max_dets_per_class: How many detections of a class count in the whole dataset, and then the limit per image is
            lifted ("fixed AP", with 10000); None: no such limit.
    """

    def __init__(
        self,
        dataset_name: str,
        tasks: Sequence[str] | None = None,
        distributed: bool = True,
        output_dir: str | None = None,
        *,
        max_dets_per_image: int | None = None,
        max_dets_per_class: int | None = None,
    ) -> None:
        super().__init__(dataset_name, tasks, distributed, output_dir)
        self._limit = 300 if max_dets_per_image is None else max_dets_per_image
        self._class_limit = max_dets_per_class

    results_name = "lvis_instances_results.json"

    def _figures(self, task: str, found: Detections, img_ids: Sequence[Any] | None) -> dict[str, float]:
        if img_ids is not None:
            raise ValueError("LVISEvaluator.evaluate: img_ids must be None: LVIS measures the whole dataset")
        return lvis_figures(self.ground_truth, found, task, self._limit, self._class_limit)


def evaluate_lvis_results(
    annotations: str | os.PathLike | Mapping[str, Any],
    results: str | os.PathLike | Sequence[Mapping[str, Any]],
    iou_type: str = "segm",
    max_dets_per_image: int = 300,
    max_dets_per_class: int | None = None,
) -> dict[str, float]:
    """Evaluate a results file on LVIS; arguments as of `evaluate_coco_results` and `LVISEvaluator`."""
    truth = CocoGroundTruth(annotations)
    found = load_results(results, truth, iou_type)
    return lvis_figures(truth, found, iou_type, max_dets_per_image, max_dets_per_class)


def lvis_figures(
    truth: CocoGroundTruth, found: Detections, iou_type: str, limit: int, class_limit: int | None = None
) -> dict[str, float]:
    """LVIS's nine precisions in percent, NaN where there is no ground truth for one; the rest as `LVISEvaluator`."""
    if class_limit is not None:
        found, limit = best_of_each_class(found, class_limit), max(len(found), 1)
    # The limit of LVIS is that of an image over all its classes.
    index = engine_detections(truth, found, iou_type).cap_detections_per_image(limit)
    evaluation = hotcoco.COCOeval(truth.index, index, iou_type, lvis_style=True)
    evaluation.params.max_dets = [limit]
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "hotcoco: max_dets")  # a limit other than 300 is the caller's wish
        evaluation.run()
    results = evaluation.get_results()
    return {name: 100 * results[name] if results[name] > -1 else math.nan for name in _METRICS}


def best_of_each_class(found: Detections, limit: int) -> Detections:
    """Keep the `limit` detections of the highest score of each class; ties keep their order."""
    order = np.lexsort((-found.scores, found.categories))
    classes = found.categories[order]
    rank = np.arange(len(order)) - np.searchsorted(classes, classes)
    return found.chosen(np.sort(order[rank < limit]))
