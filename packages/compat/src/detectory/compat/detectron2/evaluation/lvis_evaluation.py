"""LVIS evaluator under Detectron2's module path, with the methods that projects override."""

from collections.abc import Mapping, Sequence
from typing import Any

from detectory.compat.detectron2.config import CfgNode
from detectory.compat.detectron2.evaluation import _coco_api
from detectory.compat.detectron2.evaluation.coco_evaluation import COCOEvaluator
from detectory.compat.detectron2.utils.logger import create_small_table
from detectory.evaluation import evaluate_lvis_results, instances_to_coco_json

__all__ = ["LVISEvaluator", "_evaluate_box_proposals", "_evaluate_predictions_on_lvis", "instances_to_coco_json"]


def _evaluate_box_proposals(
    dataset_predictions: Sequence[Mapping[str, Any]],
    lvis_api: Any,
    thresholds: Any = None,
    area: str = "all",
    limit: int | None = None,
) -> dict[str, Any]:
    """Return the recall of box proposals on LVIS; see the function of the same name of the COCO evaluation."""
    return _coco_api._evaluate_box_proposals(dataset_predictions, lvis_api, thresholds, area, limit)


class LVISEvaluator(COCOEvaluator):
    """LVIS metrics of boxes and masks; the package `lvis` is not needed.

    Args:
        dataset_name: A registered dataset whose metadata has `json_file`.
        tasks: See `COCOEvaluator`.
        distributed: See `COCOEvaluator`.
        output_dir: Folder for `instances_predictions.pth` and `lvis_instances_results.json`.
        max_dets_per_image: Maximum number of detections per image; LVIS's 300 by default.
    """

    _results_file = "lvis_instances_results.json"

    def __init__(
        self,
        dataset_name: str,
        tasks: Sequence[str] | CfgNode | None = None,
        distributed: bool = True,
        output_dir: str | None = None,
        *,
        max_dets_per_image: int | None = None,
    ) -> None:
        super().__init__(dataset_name, tasks, distributed, output_dir)
        self._max_dets_per_image: Any = max_dets_per_image

    @property
    def _lvis_api(self) -> Any:
        """The ground truth, loaded on first access."""
        return self._coco_api

    @_lvis_api.setter
    def _lvis_api(self, ground_truth: Any) -> None:
        self._coco_api = ground_truth

    def _evaluate_instances(self, predictions: list[dict[str, Any]], img_ids: Sequence[Any] | None) -> None:
        if img_ids is not None:
            raise ValueError("LVISEvaluator.evaluate: img_ids must be None, LVIS is evaluated on the whole dataset")
        self._eval_predictions(predictions)

    def _tasks_from_predictions(self, predictions: Sequence[Mapping[str, Any]]) -> list[str]:
        """Return the tasks for which the predictions, or COCO results, have fields."""
        results = [result for entry in predictions for result in entry.get("instances", [entry])]
        return [task for task in super()._tasks_from_predictions(results) if task != "keypoints"]

    def _eval_predictions(  # type: ignore[override]
        self, predictions: Sequence[Mapping[str, Any]]
    ) -> None:
        """Evaluate instances and store the metrics of each task in `_results`."""
        results = self._dataset_results(predictions)
        tasks = self._tasks or self._tasks_from_predictions(results)
        self._write_results(results)
        if not self._do_evaluation:
            self._logger.info("annotations are not available for evaluation")
            return
        for task in sorted(tasks):
            self._results[task] = _evaluate_predictions_on_lvis(
                self._lvis_api,
                results,
                task,
                max_dets_per_image=self._max_dets_per_image,
                class_names=self._metadata.get("thing_classes"),
            )


def _evaluate_predictions_on_lvis(
    lvis_gt: Any,
    lvis_results: list[dict[str, Any]],
    iou_type: str,
    max_dets_per_image: int | None = None,
    class_names: Sequence[str] | None = None,
) -> dict[str, float]:
    """Return LVIS's nine metrics in percent, NaN without results.

    Args:
        lvis_gt: Ground truth with a `dataset` dictionary.
        lvis_results: One entry per detection.
        iou_type: "bbox" or "segm".
        max_dets_per_image: Maximum number of detections per image; 300 by default.
        class_names: Accepted for compatibility.
    """
    del class_names
    if not lvis_results:
        return dict.fromkeys(("AP", "AP50", "AP75", "APs", "APm", "APl", "APr", "APc", "APf"), float("nan"))
    if iou_type == "segm":
        lvis_results = [{key: value for key, value in entry.items() if key != "bbox"} for entry in lvis_results]
    metrics = evaluate_lvis_results(lvis_gt.dataset, lvis_results, iou_type, max_dets_per_image or 300)
    create_small_table(metrics)
    return metrics
