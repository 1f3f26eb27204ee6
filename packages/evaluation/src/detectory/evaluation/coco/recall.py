"""Average recall of object proposals, regardless of class.

Source: Hosang et al., "What Makes for Effective Detection Proposals?", TPAMI 2015 (average recall), with COCO's area
ranges.
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from detectory import ops
from detectory.structures import BoxMode, Instances

from .matching import CocoObjects

AREAS = {
    "": (0.0, 1e10),
    "s": (0.0, 32.0**2),
    "m": (32.0**2, 96.0**2),
    "l": (96.0**2, 1e10),
    "96-128": (96.0**2, 128.0**2),
    "128-256": (128.0**2, 256.0**2),
    "256-512": (256.0**2, 512.0**2),
    "512-inf": (512.0**2, 1e10),
}
"""Suffix of the metric name to (minimum, maximum) object area in square pixels."""

LIMITS = (100, 1000)
"""Numbers of proposals per image at which recall is measured."""

THRESHOLDS = np.arange(0.5, 0.95 + 1e-5, 0.05)

CoverageIous = dict[tuple[str, int], np.ndarray]
"""(area suffix, limit) to the (M,) coverage IoUs of the objects of one image with such an area."""


class ImageObjects:
    """The objects of each image that proposals should cover, without crowds.

    Args:
        objects: The annotations of a ground truth with upright boxes.
    """

    def __init__(self, objects: CocoObjects) -> None:
        is_kept = ~objects.crowd
        boxes = torch.from_numpy(objects.boxes[is_kept])
        self._boxes = BoxMode.convert(boxes, BoxMode.XYWH_ABS, BoxMode.XYXY_ABS).numpy()
        self._areas = objects.areas[is_kept]
        self._rows: dict[Any, list[int]] = {}
        for row, image_id in enumerate(objects.image_ids[is_kept].tolist()):
            self._rows.setdefault(image_id, []).append(row)

    def of_image(self, image_id: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the boxes (M, 4) as (x1, y1, x2, y2) and the areas (M,) of the objects of one image."""
        rows = self._rows.get(image_id, [])
        return self._boxes[rows], self._areas[rows]


def top_proposals(proposals: Instances) -> np.ndarray:
    """Return the boxes (N, 4) float32 with the highest `objectness_logits`, in falling order; ties keep their order."""
    order = proposals.objectness_logits.argsort(descending=True, stable=True)[: max(LIMITS)]
    return proposals.proposal_boxes.tensor[order].detach().cpu().float().numpy()


def coverage_ious(proposals: np.ndarray, boxes: np.ndarray, areas: np.ndarray) -> CoverageIous:
    """Return how well proposals cover the objects of one image, for each area range and number of proposals.

    Args:
        proposals: (N, 4) as (x1, y1, x2, y2), in order of falling objectness.
        boxes: (M, 4) boxes of the objects as (x1, y1, x2, y2).
        areas: (M,) areas of the objects in square pixels.
    """
    ious = ops.pairwise_iou(torch.from_numpy(proposals).float(), torch.from_numpy(boxes).float()).numpy()
    result = {}
    for suffix, (low, high) in AREAS.items():
        is_inside = (areas >= low) & (areas <= high)
        for limit in LIMITS:
            result[suffix, limit] = _match_one_to_one(ious[:limit, is_inside].copy())
    return result


def proposal_recall(images: Iterable[CoverageIous]) -> dict[str, float]:
    """Compute recall averaged over IoU 0.5 to 0.95: "AR@100", "ARs@100", …, "AR@1000", … in percent.

    NaN for area ranges without objects.
    """
    images = list(images)
    metrics = {}
    for limit in LIMITS:
        for suffix in AREAS:
            ious = np.concatenate([np.zeros(0), *(image[suffix, limit] for image in images)])
            recalls = [(ious >= threshold).mean() for threshold in THRESHOLDS] if len(ious) else [math.nan]
            metrics[f"AR{suffix}@{limit}"] = 100 * float(np.mean(recalls))
    return metrics


def _match_one_to_one(ious: np.ndarray) -> np.ndarray:
    """Match N proposals to M objects greedily by IoU (N, M), which is overwritten.

    In each round, the pair with the highest IoU among unmatched proposals and objects is matched. Recall needs only
    the IoUs, not which object has which.

    Returns:
        (M,) IoUs of the matches in falling order, 0 for objects without a proposal.
    """
    matched = np.zeros(ious.shape[1])
    for turn in range(min(ious.shape)):
        best = ious.max(axis=0)
        best_proposal = ious.argmax(axis=0)
        column = int(best.argmax())
        matched[turn] = best[column]
        ious[best_proposal[column]] = -1
        ious[:, column] = -1
    return matched
