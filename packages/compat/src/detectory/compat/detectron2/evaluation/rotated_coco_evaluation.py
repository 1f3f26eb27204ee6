"""Rotated-box evaluation under Detectron2's module path."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from pycocotools.cocoeval import COCOeval

from detectory.compat.detectron2.evaluation.coco_evaluation import COCOEvaluator
from detectory.evaluation import instances_to_coco_json
from detectory.ops import pairwise_iou_rotated

__all__ = ["RotatedCOCOEvaluator", "RotatedCOCOeval"]


class RotatedCOCOeval(COCOeval):
    """pycocotools' `COCOeval` for rotated boxes (cx, cy, w, h, degrees) or axis-aligned (x, y, w, h) boxes."""

    def computeIoU(self, imgId: Any, catId: Any) -> Any:
        """Return the IoU of detections, in descending score order, with ground truths; [] if an image has neither.

        Raises:
            ValueError: If a ground truth is a crowd, which is not supported for rotated boxes.
        """
        categories = [catId] if self.params.useCats else self.params.catIds
        ground_truths = [entry for category in categories for entry in self._gts[imgId, category]]
        detections = [entry for category in categories for entry in self._dts[imgId, category]]
        if not ground_truths or not detections:
            return []
        if any(entry["iscrowd"] for entry in ground_truths):
            raise ValueError(f"RotatedCOCOeval: image {imgId}: crowd annotations are not supported")
        order = np.argsort([-entry["score"] for entry in detections], kind="stable")[: self.params.maxDets[-1]]
        return pairwise_iou_rotated(_boxes([detections[i] for i in order]), _boxes(ground_truths)).numpy()


def _boxes(entries: Sequence[Mapping[str, Any]]) -> torch.Tensor:
    rows = [entry["bbox"] for entry in entries]
    rotated = [row if len(row) == 5 else [row[0] + row[2] / 2, row[1] + row[3] / 2, *row[2:], 0.0] for row in rows]
    return torch.tensor(rotated, dtype=torch.float32)


class RotatedCOCOEvaluator(COCOEvaluator):
    """COCO metrics of rotated boxes; see `COCOEvaluator` for the arguments."""

    def _instances_to_json(self, instances: Any, image_id: Any) -> list[Any]:
        return self.instances_to_json(instances, image_id)

    def instances_to_json(self, instances: Any, img_id: Any) -> list[Any]:
        """Return COCO results with five values in `bbox`."""
        return instances_to_coco_json(instances, img_id)

    def _eval_predictions(self, predictions: Sequence[Mapping[str, Any]], img_ids: Sequence[Any] | None = None) -> None:
        """Evaluate boxes and store the metrics in `_results`.

        Raises:
            ValueError: If other tasks than "bbox" are configured.
        """
        if self._tasks not in (None, ("bbox",)):
            raise ValueError(f"RotatedCOCOEvaluator: tasks must be ('bbox',), got {self._tasks}")
        results = self._dataset_results(predictions)
        self._write_results(results)
        if not self._do_evaluation:
            self._logger.info("annotations are not available for evaluation")
            return
        evaluation = self._evaluate_predictions_on_coco(self._coco_api, results, img_ids) if results else None
        classes = self._metadata.get("thing_classes")
        self._results["bbox"] = self._derive_coco_results(evaluation, "bbox", class_names=classes)

    def _evaluate_predictions_on_coco(
        self, coco_gt: Any, coco_results: list[dict[str, Any]], img_ids: Sequence[Any] | None = None
    ) -> RotatedCOCOeval:
        """Return the summarized evaluation of rotated boxes."""
        evaluation = RotatedCOCOeval(coco_gt, coco_gt.loadRes(coco_results), iouType="bbox")
        if img_ids is not None:
            evaluation.params.imgIds = list(img_ids)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        return evaluation
