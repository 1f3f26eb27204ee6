"""Rotated-box evaluation under Detectron2's module path."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from pycocotools.cocoeval import COCOeval

from detectory.evaluation import RotatedCOCOEvaluator
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
