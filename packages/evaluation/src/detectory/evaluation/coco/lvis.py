"""LVIS evaluation of boxes and masks: federated ground truth, and AP by class frequency.

Source: Gupta et al., "LVIS: A Dataset for Large Vocabulary Instance Segmentation", CVPR 2019; for the limit per class,
Dave et al., "Evaluating Large-Vocabulary Object Detectors: The Devil is in the Details", arXiv 2102.01066.
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
from detectory.evaluation.evaluator import ModelOutputs

from .compute import to_hotcoco
from .evaluator import COCOEvaluator
from .ground_truth import CocoGroundTruth
from .results_file import load_results

_METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "APr", "APc", "APf")


class LVISEvaluator(COCOEvaluator):
    """LVIS average precision of boxes and masks, overall and for rare, common and frequent classes.

    Args:
        dataset_name: A registered dataset whose metadata has `json_file`, an LVIS annotation file.
        tasks: Any of "bbox" and "segm". None: every task that the predictions have fields for.
        distributed: Whether to evaluate the predictions of all processes together, in the main process.
        output_dir: Folder for `lvis_instances_results.json` and `instances_predictions.pth`. None: write no files.
        max_dets_per_image: Maximum number of detections per image, over all classes. None: LVIS's 300.
        max_dets_per_class: Maximum number of detections per class in the whole dataset, which replaces the limit per
            image ("fixed AP" with 10000). None: no such limit.
    """

    results_name = "lvis_instances_results.json"
    supported_tasks = ("bbox", "segm")

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
        self._max_per_image = 300 if max_dets_per_image is None else max_dets_per_image
        self._max_per_class = max_dets_per_class

    def check(self, outputs: ModelOutputs | None = None) -> None:
        """Read the ground truth and check that it is in LVIS format.

        Raises:
            ValueError: If no image lists the classes that were verified to be absent: false positives would not count.
        """
        super().check(outputs)
        images = self.ground_truth.index.dataset["images"]
        if not any("neg_category_ids" in image for image in images):
            raise ValueError(
                f"LVISEvaluator: {self.ground_truth.name} is not an LVIS file: images have no 'neg_category_ids'. "
                "Evaluate it with COCOEvaluator"
            )

    def _compute_metrics(self, task: str, detections: Detections, img_ids: Sequence[Any] | None) -> dict[str, float]:
        if img_ids is not None:
            raise ValueError("LVISEvaluator.evaluate: img_ids must be None, LVIS is evaluated on the whole dataset")
        return lvis_metrics(self.ground_truth, detections, task, self._max_per_image, self._max_per_class)


def evaluate_lvis_results(
    annotations: str | os.PathLike | Mapping[str, Any],
    results: str | os.PathLike | Sequence[Mapping[str, Any]],
    iou_type: str = "segm",
    max_dets_per_image: int = 300,
    max_dets_per_class: int | None = None,
) -> dict[str, float]:
    """Evaluate a results file on LVIS.

    Args:
        annotations: Path or content of an LVIS annotation file.
        results: Path or content of a COCO results file.
        iou_type: "bbox" or "segm".
        max_dets_per_image: See `LVISEvaluator`.
        max_dets_per_class: See `LVISEvaluator`.

    Returns:
        LVIS's nine metrics in percent, NaN if undefined.

    Raises:
        ValueError: If a file is invalid. The message names the file, the entry and its field.
    """
    ground_truth = CocoGroundTruth(annotations)
    detections = load_results(results, ground_truth, iou_type)
    return lvis_metrics(ground_truth, detections, iou_type, max_dets_per_image, max_dets_per_class)


def lvis_metrics(
    ground_truth: CocoGroundTruth,
    detections: Detections,
    iou_type: str,
    max_per_image: int,
    max_per_class: int | None = None,
) -> dict[str, float]:
    """Compute LVIS's nine average precisions in percent, NaN without ground truth.

    Args:
        ground_truth: LVIS ground truth.
        detections: Detections with category ids of the ground truth.
        iou_type: "bbox" or "segm".
        max_per_image: Maximum number of detections per image, over all classes.
        max_per_class: Maximum number of detections per class in the whole dataset, instead of the limit per image.
    """
    if max_per_class is not None:
        detections = top_per_class(detections, max_per_class)
        max_per_image = max(len(detections), 1)
    index = to_hotcoco(ground_truth, detections, iou_type).cap_detections_per_image(max_per_image)
    evaluation = hotcoco.COCOeval(ground_truth.index, index, iou_type, lvis_style=True)
    evaluation.params.max_dets = [max_per_image]
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "hotcoco: max_dets")  # about limits other than 300
        evaluation.run()
    results = evaluation.get_results()
    return {name: 100 * results[name] if results[name] > -1 else math.nan for name in _METRICS}


def top_per_class(detections: Detections, limit: int) -> Detections:
    """Return the `limit` detections with the highest scores of each class; ties keep their order."""
    order = np.lexsort((-detections.scores, detections.categories))
    classes = detections.categories[order]
    rank = np.arange(len(order)) - np.searchsorted(classes, classes)
    return detections.select(np.sort(order[rank < limit]))
