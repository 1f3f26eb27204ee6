"""pycocotools' evaluation with a faster matching, under Detectron2's module path."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from pycocotools.cocoeval import COCOeval

from detectory.ops import coco_match

__all__ = ["COCOeval_opt"]


class COCOeval_opt(COCOeval):
    """pycocotools' `COCOeval` whose loops over detections and ground truth run in C++; same inputs, same results."""

    def evaluateImg(self, imgId: Any, catId: Any, aRng: Sequence[float], maxDet: int) -> dict[str, Any] | None:
        """Match the detections of one image and class; arguments and result as in pycocotools."""
        p = self.params
        categories = [catId] if p.useCats else p.catIds
        truths = [entry for category in categories for entry in self._gts[imgId, category]]
        found = [entry for category in categories for entry in self._dts[imgId, category]]
        if not truths and not found:
            return None
        ignored = np.array([bool(g["ignore"]) or not aRng[0] <= g["area"] <= aRng[1] for g in truths], dtype=bool)
        order = np.argsort(ignored, kind="stable")
        ignored, truths = ignored[order], [truths[i] for i in order]
        best = np.argsort([-d["score"] for d in found], kind="stable")[:maxDet]
        found = [found[i] for i in best]
        outside = np.array([not aRng[0] <= d["area"] <= aRng[1] for d in found], dtype=bool)
        ious = np.zeros((len(found), len(truths)))
        if found and truths:
            ious = np.asarray(self.ious[imgId, catId], dtype=np.float64)[: len(found), order]
        matched, dropped, taken = coco_match(
            torch.from_numpy(np.ascontiguousarray(ious).reshape(-1)),
            torch.tensor([float(threshold) for threshold in p.iouThrs], dtype=torch.float64),
            torch.tensor([0, len(found)]),
            torch.tensor([0, len(truths)]),
            torch.from_numpy(outside)[None],
            torch.from_numpy(ignored)[None],
            torch.tensor([bool(g["iscrowd"]) for g in truths], dtype=torch.bool),
        )
        truth_ids, found_ids = [g["id"] for g in truths], [d["id"] for d in found]
        return {
            "image_id": imgId,
            "category_id": catId,
            "aRng": aRng,
            "maxDet": maxDet,
            "dtIds": found_ids,
            "gtIds": truth_ids,
            "dtMatches": _ids(matched[0].numpy(), truth_ids),
            "gtMatches": _ids(taken[0].numpy(), found_ids),
            "dtScores": [d["score"] for d in found],
            "gtIgnore": ignored.astype(int),
            "dtIgnore": dropped[0].numpy(),
        }


def _ids(indices: np.ndarray, ids: Sequence[int]) -> np.ndarray:
    """Turn indices, -1 for none, into ids, 0 for none."""
    return np.append(np.array(ids, dtype=float), 0.0)[indices]
