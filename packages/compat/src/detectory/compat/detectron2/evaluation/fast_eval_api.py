"""pycocotools' evaluation with matching in C++, under Detectron2's module path."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from pycocotools.cocoeval import COCOeval

from detectory.ops import coco_match

__all__ = ["COCOeval_opt"]


class COCOeval_opt(COCOeval):
    """pycocotools' `COCOeval` with the matching of detections to ground truth in C++; inputs and results are equal."""

    def evaluateImg(self, imgId: Any, catId: Any, aRng: Sequence[float], maxDet: int) -> dict[str, Any] | None:
        """Match the detections of one image and class; see pycocotools."""
        p = self.params
        categories = [catId] if p.useCats else p.catIds
        ground_truths = [entry for category in categories for entry in self._gts[imgId, category]]
        detections = [entry for category in categories for entry in self._dts[imgId, category]]
        if not ground_truths and not detections:
            return None
        ignored = np.array(
            [bool(g["ignore"]) or not aRng[0] <= g["area"] <= aRng[1] for g in ground_truths], dtype=bool
        )
        order = np.argsort(ignored, kind="stable")
        ignored, ground_truths = ignored[order], [ground_truths[i] for i in order]
        best = np.argsort([-d["score"] for d in detections], kind="stable")[:maxDet]
        detections = [detections[i] for i in best]
        outside = np.array([not aRng[0] <= d["area"] <= aRng[1] for d in detections], dtype=bool)
        ious = np.zeros((len(detections), len(ground_truths)))
        if detections and ground_truths:
            ious = np.asarray(self.ious[imgId, catId], dtype=np.float64)[: len(detections), order]
        matched, dropped, taken = coco_match(
            torch.from_numpy(np.ascontiguousarray(ious).reshape(-1)),
            torch.tensor([float(threshold) for threshold in p.iouThrs], dtype=torch.float64),
            torch.tensor([0, len(detections)]),
            torch.tensor([0, len(ground_truths)]),
            torch.from_numpy(outside)[None],
            torch.from_numpy(ignored)[None],
            torch.tensor([bool(g["iscrowd"]) for g in ground_truths], dtype=torch.bool),
        )
        truth_ids, found_ids = [g["id"] for g in ground_truths], [d["id"] for d in detections]
        return {
            "image_id": imgId,
            "category_id": catId,
            "aRng": aRng,
            "maxDet": maxDet,
            "dtIds": found_ids,
            "gtIds": truth_ids,
            "dtMatches": _ids(matched[0].numpy(), truth_ids),
            "gtMatches": _ids(taken[0].numpy(), found_ids),
            "dtScores": [d["score"] for d in detections],
            "gtIgnore": ignored.astype(int),
            "dtIgnore": dropped[0].numpy(),
        }


def _ids(indices: np.ndarray, ids: Sequence[int]) -> np.ndarray:
    """Convert indices to ids, and -1 (unmatched) to 0."""
    return np.append(np.array(ids, dtype=float), 0.0)[indices]
