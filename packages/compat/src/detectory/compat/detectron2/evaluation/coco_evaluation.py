"""COCO evaluators under Detectron2's module path, with the methods that projects override."""

import contextlib
import copy
import io
import itertools
import json
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from detectory.compat.detectron2.config import CfgNode
from detectory.compat.detectron2.data.datasets.coco import convert_to_coco_dict, convert_to_coco_json
from detectory.compat.detectron2.evaluation._coco_api import (
    COCOevalMaxDets,
    _evaluate_box_proposals,
    _evaluate_predictions_on_coco,
)
from detectory.compat.detectron2.evaluation.evaluator import DatasetEvaluator
from detectory.compat.detectron2.evaluation.fast_eval_api import COCOeval_opt
from detectory.compat.detectron2.structures import Boxes, BoxMode, pairwise_iou
from detectory.compat.detectron2.utils import comm
from detectory.compat.detectron2.utils.file_io import PathManager
from detectory.compat.detectron2.utils.logger import create_small_table
from detectory.data import MetadataCatalog
from detectory.evaluation import instances_to_coco_json
from detectory.evaluation.results_table import format_categories

__all__ = [
    "COCO",
    "BoxMode",
    "Boxes",
    "COCOEvaluator",
    "COCOeval",
    "COCOevalMaxDets",
    "COCOeval_opt",
    "DatasetEvaluator",
    "MetadataCatalog",
    "PathManager",
    "_evaluate_box_proposals",
    "_evaluate_predictions_on_coco",
    "convert_to_coco_json",
    "create_small_table",
    "instances_to_coco_json",
    "pairwise_iou",
]

_METRICS = {
    "bbox": ["AP", "AP50", "AP75", "APs", "APm", "APl"],
    "segm": ["AP", "AP50", "AP75", "APs", "APm", "APl"],
    "keypoints": ["AP", "AP50", "AP75", "APm", "APl"],
}


class UnknownCategoryError(ValueError, AssertionError):
    """Error for a predicted class outside the dataset, an `AssertionError` for scripts that expect Detectron2's."""


class COCOEvaluator(DatasetEvaluator):
    """COCO metrics of boxes, masks, keypoints and proposals.

    Subclasses may override the underscored methods, which are called as in Detectron2. Without subclassing,
    `detectory.evaluation.COCOEvaluator` is faster and has the same metrics.

    Args:
        dataset_name: A registered dataset. Without `json_file` in its metadata its records are the ground truth.
        tasks: Any of "bbox", "segm" and "keypoints"; None: every task that the predictions have fields for. A config
            is accepted with a warning, as the second argument of early Detectron2 versions.
        distributed: Gather the predictions of all processes in the main process.
        output_dir: Folder for `instances_predictions.pth` and `coco_instances_results.json`.
        max_dets_per_image: Limit of detections per image, or three limits; COCO's 100 by default.
        use_fast_impl: Match in C++; otherwise with pycocotools.
        kpt_oks_sigmas: One value per keypoint; COCO's by default.
        allow_cached_coco: Accepted for compatibility.
    """

    _results_file = "coco_instances_results.json"

    def __init__(
        self,
        dataset_name: str,
        tasks: Sequence[str] | CfgNode | None = None,
        distributed: bool = True,
        output_dir: str | None = None,
        *,
        max_dets_per_image: int | Sequence[int] | None = None,
        use_fast_impl: bool = True,
        kpt_oks_sigmas: Sequence[float] = (),
        allow_cached_coco: bool = True,
    ) -> None:
        del allow_cached_coco
        self._logger = logging.getLogger(__name__)
        self._distributed = distributed
        self._output_dir = output_dir
        self._use_fast_impl = use_fast_impl
        limits = [1, 10, max_dets_per_image] if isinstance(max_dets_per_image, int) else max_dets_per_image
        self._max_dets_per_image = [1, 10, 100] if limits is None else list(limits)
        self._tasks = _tasks_from_argument(tasks, type(self).__name__, self._logger)
        if isinstance(tasks, CfgNode) and not kpt_oks_sigmas:
            kpt_oks_sigmas = tasks.TEST.KEYPOINT_OKS_SIGMAS
        self._kpt_oks_sigmas = kpt_oks_sigmas
        self._cpu_device = torch.device("cpu")
        self._dataset_name = dataset_name
        self._metadata = MetadataCatalog.get(dataset_name)
        self._predictions: list[dict[str, Any]] = []
        self._results: dict[str, dict[str, float]] = {}

    @property
    def _coco_api(self) -> Any:
        """The ground truth, loaded on first access."""
        if "_loaded_coco_api" not in self.__dict__:
            self._loaded_coco_api = self._load_ground_truth()
        return self._loaded_coco_api

    @_coco_api.setter
    def _coco_api(self, ground_truth: Any) -> None:
        self._loaded_coco_api = ground_truth

    def _load_ground_truth(self) -> Any:
        path = self._metadata.get("json_file")
        with contextlib.redirect_stdout(io.StringIO()):
            if path:
                return COCO(PathManager.get_local_path(path))
            ground_truth = COCO()
            ground_truth.dataset = convert_to_coco_dict(self._dataset_name)
            ground_truth.createIndex()
            return ground_truth

    @property
    def _do_evaluation(self) -> bool:
        """Whether there is ground truth; test datasets only have images."""
        return "annotations" in self._coco_api.dataset

    def reset(self) -> None:
        """Discard all predictions."""
        self._predictions = []

    def process(self, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> None:
        """Store the predictions of a batch.

        Args:
            inputs: Dictionaries with `image_id`.
            outputs: Dictionaries with `instances`, `proposals` or both.
        """
        for record, output in zip(inputs, outputs, strict=False):
            prediction: dict[str, Any] = {"image_id": record["image_id"]}
            if "instances" in output:
                instances = output["instances"].to(self._cpu_device)
                prediction["instances"] = self._instances_to_json(instances, record["image_id"])
            if "proposals" in output:
                prediction["proposals"] = output["proposals"].to(self._cpu_device)
            if len(prediction) > 1:
                self._predictions.append(prediction)

    def _instances_to_json(self, instances: Any, image_id: Any) -> list[Any]:
        return instances_to_coco_json(instances, image_id) if len(instances) else []

    def evaluate(self, img_ids: Sequence[Any] | None = None) -> dict[str, dict[str, float]]:
        """Write the predictions and compute the metrics.

        Args:
            img_ids: Images to evaluate; all by default.

        Returns:
            Metrics in percent by task; empty in all processes but the main one.
        """
        predictions = self._predictions
        if self._distributed:
            comm.synchronize()
            predictions = list(itertools.chain(*comm.gather(predictions, dst=0)))
            if not comm.is_main_process():
                return {}
        if not predictions:
            self._logger.warning("%s: did not receive predictions", type(self).__name__)
            return {}
        if self._output_dir:
            PathManager.mkdirs(self._output_dir)
            torch.save(predictions, os.path.join(self._output_dir, "instances_predictions.pth"))
        self._results = {}
        if "proposals" in predictions[0]:
            self._eval_box_proposals(predictions)
        if "instances" in predictions[0]:
            self._evaluate_instances(predictions, img_ids)
        return copy.deepcopy(self._results)

    def _evaluate_instances(self, predictions: list[dict[str, Any]], img_ids: Sequence[Any] | None) -> None:
        self._eval_predictions(predictions, img_ids=img_ids)

    def _tasks_from_predictions(self, predictions: Sequence[Mapping[str, Any]]) -> list[str]:
        """Return the tasks for which COCO results have fields."""
        tasks = {"bbox"}
        for prediction in predictions:
            if "segmentation" in prediction:
                tasks.add("segm")
            if "keypoints" in prediction:
                tasks.add("keypoints")
        return sorted(tasks)

    def _eval_predictions(self, predictions: Sequence[Mapping[str, Any]], img_ids: Sequence[Any] | None = None) -> None:
        """Evaluate instances and store the metrics of each task in `_results`."""
        results = self._dataset_results(predictions)
        tasks = self._tasks or self._tasks_from_predictions(results)
        self._write_results(results)
        if not self._do_evaluation:
            self._logger.info("annotations are not available for evaluation")
            return
        for task in sorted(tasks):
            evaluation = None
            if results:
                evaluation = _evaluate_predictions_on_coco(
                    self._coco_api,
                    results,
                    task,
                    kpt_oks_sigmas=self._kpt_oks_sigmas,
                    cocoeval_fn=COCOeval_opt if self._use_fast_impl else COCOeval,
                    img_ids=img_ids,
                    max_dets_per_image=self._max_dets_per_image,
                )
            classes = self._metadata.get("thing_classes")
            self._results[task] = self._derive_coco_results(evaluation, task, class_names=classes)

    def _dataset_results(self, predictions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Join the results of all images and replace contiguous class ids by the dataset's category ids."""
        results = list(itertools.chain(*(prediction["instances"] for prediction in predictions)))
        contiguous_ids = self._metadata.get("thing_dataset_id_to_contiguous_id")
        if contiguous_ids is None:
            names = self._metadata.get("thing_classes")
            categories = sorted(self._coco_api.getCatIds()) if names is None else range(len(names))
            contiguous_ids = {category: index for index, category in enumerate(categories)}
        dataset_ids = {index: category for category, index in contiguous_ids.items()}
        for result in results:
            if result["category_id"] not in dataset_ids:
                raise UnknownCategoryError(
                    f"{type(self).__name__}: predicted class {result['category_id']}, "
                    f"but {self._dataset_name} has classes 0 to {len(dataset_ids) - 1}"
                )
            result["category_id"] = dataset_ids[result["category_id"]]
        return results

    def _write_results(self, results: list[dict[str, Any]]) -> None:
        if self._output_dir:
            path = os.path.join(self._output_dir, self._results_file)
            with PathManager.open(path, "w") as file:
                file.write(json.dumps(results))
            self._logger.info("saved results to %s", path)

    def _eval_box_proposals(self, predictions: Sequence[Mapping[str, Any]]) -> None:
        """Evaluate proposals and store their recall at 100 and 1000 proposals per image in `_results`."""
        if not self._do_evaluation:
            self._logger.info("annotations are not available for evaluation")
            return
        recalls = {}
        for limit in (100, 1000):
            for area, suffix in {"all": "", "small": "s", "medium": "m", "large": "l"}.items():
                stats = _evaluate_box_proposals(predictions, self._coco_api, area=area, limit=limit)
                recalls[f"AR{suffix}@{limit}"] = float(stats["ar"].item() * 100)
        self._logger.info("proposal metrics:\n%s", create_small_table(recalls))
        self._results["box_proposals"] = recalls

    def _derive_coco_results(
        self, coco_eval: Any, iou_type: str, class_names: Sequence[str] | None = None
    ) -> dict[str, float]:
        """Convert an evaluation to metrics in percent, with `AP-<class>` if there are several classes.

        Args:
            coco_eval: The summarized evaluation; None without predictions.
            iou_type: "bbox", "segm" or "keypoints".
            class_names: Names of the classes, in the order of the evaluation's categories.
        """
        names = _METRICS[iou_type]
        if coco_eval is None:
            self._logger.warning("%s: no predictions", type(self).__name__)
            return dict.fromkeys(names, float("nan"))
        metrics = {
            name: float(value * 100 if value >= 0 else "nan")
            for name, value in zip(names, coco_eval.stats, strict=False)
        }
        self._logger.info("evaluation results for %s:\n%s", iou_type, create_small_table(metrics))
        if class_names is None or len(class_names) <= 1:
            return metrics
        precisions = coco_eval.eval["precision"]  # (thresholds, recalls, classes, areas, limits)
        per_class = {}
        for index, name in enumerate(class_names):
            known = precisions[:, :, index, 0, -1]
            known = known[known > -1]
            per_class[name] = float(np.mean(known) * 100) if known.size else float("nan")
        self._logger.info("per-class %s AP:\n%s", iou_type, format_categories(per_class))
        return metrics | {f"AP-{name}": value for name, value in per_class.items()}


def _tasks_from_argument(
    tasks: Sequence[str] | CfgNode | None, evaluator: str, logger: logging.Logger
) -> tuple[str, ...] | None:
    """Return the tasks to evaluate; a config means those of the predictions.

    Raises:
        ValueError: If a task is unknown.
    """
    if isinstance(tasks, CfgNode):
        logger.warning("%s: passing a config is deprecated, the tasks are inferred from the predictions", evaluator)
        return None
    for task in tasks or ():
        if task not in _METRICS:
            raise ValueError(f"{evaluator}: tasks must be among {list(_METRICS)}, got {task!r}")
    return None if tasks is None else tuple(tasks)
