"""COCO evaluators under Detectron2's module path."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from detectory import evaluation
from detectory.compat.detectron2.evaluation.fast_eval_api import COCOeval_opt
from detectory.evaluation import Detections, instances_to_coco_json

__all__ = ["COCOEvaluator", "COCOevalMaxDets", "instances_to_coco_json"]

_AREAS = ("all", "small", "medium", "large")


class UnknownCategoryError(ValueError, AssertionError):
    """Error for a predicted class outside the dataset, an `AssertionError` for scripts that expect Detectron2's."""


class COCOEvaluator(evaluation.COCOEvaluator):
    """A `COCOEvaluator` whose error for an unknown class is also an `AssertionError`."""

    def _check_classes(self, predictions: Iterable[Detections]) -> None:
        try:
            super()._check_classes(predictions)
        except ValueError as error:
            raise UnknownCategoryError(str(error)) from error


class COCOevalMaxDets(COCOeval):
    """pycocotools' `COCOeval` whose summary supports any `params.maxDets`."""

    def summarize(self) -> None:
        """Compute COCO's twelve box or mask metrics into `stats` and print them.

        Raises:
            RuntimeError: If nothing was accumulated, or the metrics are keypoint metrics.
        """
        if not self.eval:
            raise RuntimeError("COCOevalMaxDets.summarize: call accumulate() first")
        if self.params.iouType == "keypoints":
            raise RuntimeError("COCOevalMaxDets.summarize: use pycocotools' COCOeval for keypoints")
        limits = list(self.params.maxDets)
        precisions = [(0, None), (0, 0.5), (0, 0.75), (1, None), (2, None), (3, None)]
        recalls = [(0, limit) for limit in range(len(limits))] + [(area, len(limits) - 1) for area in (1, 2, 3)]
        stats = [self._precision(area, threshold) for area, threshold in precisions]
        stats += [self._recall(area, limit) for area, limit in recalls]
        self.stats = np.array(stats)
        for (area, threshold), value in zip(precisions, stats, strict=False):
            iou = "0.50:0.95" if threshold is None else f"{threshold:.2f}"
            print(f" AP @[ IoU={iou} | area={_AREAS[area]} | maxDets={limits[-1]} ] = {value:.3f}")  # noqa: T201
        for (area, limit), value in zip(recalls, stats[len(precisions) :], strict=True):
            print(f" AR @[ IoU=0.50:0.95 | area={_AREAS[area]} | maxDets={limits[limit]} ] = {value:.3f}")  # noqa: T201

    def _precision(self, area: int, threshold: float | None) -> float:
        rows = slice(None) if threshold is None else np.isclose(self.params.iouThrs, threshold)
        return _mean_known(self.eval["precision"][rows, :, :, area, -1])

    def _recall(self, area: int, limit: int) -> float:
        return _mean_known(self.eval["recall"][:, :, area, limit])


def _evaluate_predictions_on_coco(
    coco_gt: COCO,
    coco_results: list[dict[str, Any]],
    iou_type: str,
    kpt_oks_sigmas: Sequence[float] | None = None,
    cocoeval_fn: Callable[..., COCOeval] = COCOeval_opt,
    img_ids: Sequence[int] | None = None,
    max_dets_per_image: Sequence[int] | None = None,
) -> COCOeval:
    """Evaluate results in COCO format with pycocotools or a compatible class.

    Args:
        coco_gt: The ground truth.
        coco_results: One entry per detection; not empty.
        iou_type: `"bbox"`, `"segm"` or `"keypoints"`.
        kpt_oks_sigmas: One value per keypoint; COCO's by default.
        cocoeval_fn: Constructor called with ground truth, results and type.
        img_ids: Images to evaluate; all by default.
        max_dets_per_image: At least three limits; COCO's by default.

    Returns:
        The summarized evaluation.

    Raises:
        ValueError: If `coco_results` is empty, or there are fewer than three limits.
    """
    if not coco_results:
        raise ValueError("_evaluate_predictions_on_coco: coco_results must not be empty")
    if iou_type == "segm":
        # If results contain boxes, pycocotools uses the box area instead of the mask area.
        coco_results = [{key: value for key, value in entry.items() if key != "bbox"} for entry in coco_results]
    limits = [1, 10, 100] if max_dets_per_image is None else list(max_dets_per_image)
    if len(limits) < 3:
        raise ValueError(f"_evaluate_predictions_on_coco: max_dets_per_image must have three limits, got {limits}")
    make = COCOevalMaxDets if limits[2] != 100 and iou_type != "keypoints" else cocoeval_fn
    result = make(coco_gt, coco_gt.loadRes(coco_results), iou_type)
    if iou_type != "keypoints":
        result.params.maxDets = limits
    elif kpt_oks_sigmas is not None and len(kpt_oks_sigmas):
        result.params.kpt_oks_sigmas = np.array(kpt_oks_sigmas)
    if img_ids is not None:
        result.params.imgIds = list(img_ids)
    result.evaluate()
    result.accumulate()
    result.summarize()
    return result


def _mean_known(values: np.ndarray) -> float:
    """Return the mean of the known values, or -1 if there are none, as COCO does."""
    known = values[values > -1]
    return float(known.mean()) if known.size else -1.0
