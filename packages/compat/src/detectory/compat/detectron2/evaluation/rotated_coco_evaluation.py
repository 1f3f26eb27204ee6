"""Rotated boxes' evaluation under Detectron2's module path."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from pycocotools.cocoeval import COCOeval

from detectory.evaluation import RotatedCOCOEvaluator
from detectory.ops import pairwise_iou_rotated

__all__ = ["RotatedCOCOEvaluator", "RotatedCOCOeval"]


class RotatedCOCOeval(COCOeval):
    """pycocotools' `COCOeval` for boxes of five numbers (centre, size, degrees), or of four, which stand upright."""

    def computeIoU(self, imgId: Any, catId: Any) -> Any:
        """Return the overlaps of an image's detections, best first, with its objects; nothing where it has neither.

        Raises:
            ValueError: objects are crowds, which rotated boxes do not have.
        """
        categories = [catId] if self.params.useCats else self.params.catIds
        truths = [entry for category in categories for entry in self._gts[imgId, category]]
        found = [entry for category in categories for entry in self._dts[imgId, category]]
        if not truths or not found:
            return []
        if any(entry["iscrowd"] for entry in truths):
            raise ValueError(f"RotatedCOCOeval: image {imgId}: crowds have no rotated boxes")
        order = np.argsort([-entry["score"] for entry in found], kind="stable")[: self.params.maxDets[-1]]
        return pairwise_iou_rotated(_boxes([found[i] for i in order]), _boxes(truths)).numpy()


def _boxes(entries: Sequence[Mapping[str, Any]]) -> torch.Tensor:
    rows = [entry["bbox"] for entry in entries]
    turned = [row if len(row) == 5 else [row[0] + row[2] / 2, row[1] + row[3] / 2, *row[2:], 0.0] for row in rows]
    return torch.tensor(turned, dtype=torch.float32)
