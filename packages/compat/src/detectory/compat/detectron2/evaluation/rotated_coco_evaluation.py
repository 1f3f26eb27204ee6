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
        order = np.argsort([-entry["score"] for entry in detections], kind="stable")[: self.params.maxDets[-1]]
        dt, gt = [detections[i]["bbox"] for i in order], [entry["bbox"] for entry in ground_truths]
        return self.compute_iou_dt_gt(dt, gt, [int(entry["iscrowd"]) for entry in ground_truths])

    @staticmethod
    def is_rotated(box_list: Any) -> bool:
        """Return whether boxes, a tensor, an array or a list of lists, have five columns."""
        if isinstance(box_list, list):
            return any(len(row) == 5 for row in box_list)
        return box_list.shape[-1] == 5

    @staticmethod
    def boxlist_to_tensor(boxlist: Any, output_box_dim: int) -> Any:
        """Return boxes as a float32 tensor of 4 or 5 columns; five columns are `(cx, cy, width, height, degrees)`.

        Raises:
            ValueError: If rotated boxes are converted to 4 columns.
        """
        rows = boxlist.tolist() if isinstance(boxlist, np.ndarray | torch.Tensor) else list(boxlist)
        if output_box_dim == 4 and any(len(row) == 5 for row in rows):
            raise ValueError("RotatedCOCOeval.boxlist_to_tensor: rotated boxes cannot be converted to 4 columns")
        if output_box_dim == 5:
            rows = [row if len(row) == 5 else [row[0] + row[2] / 2, row[1] + row[3] / 2, *row[2:], 0] for row in rows]
        return torch.tensor(rows, dtype=torch.float32).reshape(-1, output_box_dim)

    def compute_iou_dt_gt(self, dt: Any, gt: Any, is_crowd: Sequence[int]) -> Any:
        """Return the IoU `(D, G)` of detected and annotated boxes.

        Raises:
            ValueError: If a ground truth is a crowd, which is not supported for rotated boxes.
        """
        if any(is_crowd):
            raise ValueError("RotatedCOCOeval: crowd annotations are not supported")
        return pairwise_iou_rotated(self.boxlist_to_tensor(dt, 5), self.boxlist_to_tensor(gt, 5)).numpy()


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
