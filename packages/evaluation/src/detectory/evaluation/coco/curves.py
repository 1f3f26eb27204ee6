"""COCO precision-recall curves from matched detections."""

from collections.abc import Sequence

import numpy as np

from .matching import CocoGroups, GroupMatches

RECALL_LEVELS = np.linspace(0.0, 1.0, 101)
"""The R recall levels at which COCO samples precision."""


def precision_recall_curves(
    groups: CocoGroups, scores: np.ndarray, matches: GroupMatches, limits: Sequence[int], num_categories: int
) -> dict[str, np.ndarray]:
    """Accumulate matches over images by COCO's rules.

    Args:
        groups: The groups of D detections and M objects.
        scores: (D,) float64 in the order of the groups.
        matches: Matches of the groups at T IoU thresholds in A area ranges.
        limits: Maximum numbers of detections per group, ascending.
        num_categories: The number K of classes.

    Returns:
        "precision" and "scores" (T, R, K, A, L) and "recall" (T, K, A, L) for L limits; -1 for classes without
        objects in an area range.
    """
    num_areas, num_thresholds = matches.detection_matches.shape[:2]
    shape = (num_thresholds, len(RECALL_LEVELS), num_categories, num_areas, len(limits))
    precision = -np.ones(shape)
    score_at_recall = -np.ones(shape)
    recall = -np.ones((num_thresholds, *shape[2:]))
    # Groups are ordered by category, so the detections and objects of a category are one contiguous range each.
    first, last = _ranges(groups.detection_categories, num_categories)
    first_object, last_object = _ranges(groups.object_categories, num_categories)
    ranks = groups.ranks
    for k in range(num_categories):
        num_objects = (~matches.object_ignored[:, first_object[k] : last_object[k]]).sum(axis=1)  # (A,)
        for m, limit in enumerate(limits):
            kept = np.arange(first[k], last[k])[ranks[first[k] : last[k]] < limit]
            order = kept[np.argsort(-scores[kept], kind="stable")]
            for a in np.flatnonzero(num_objects):
                is_matched = matches.detection_matches[a][:, order] >= 0
                is_ignored = matches.detection_ignored[a][:, order]
                curves = _curves(
                    is_matched & ~is_ignored, ~is_matched & ~is_ignored, scores[order], int(num_objects[a])
                )
                precision[:, :, k, a, m], recall[:, k, a, m], score_at_recall[:, :, k, a, m] = curves
    return {"precision": precision, "recall": recall, "scores": score_at_recall}


def _ranges(categories: np.ndarray, num_categories: int) -> tuple[np.ndarray, np.ndarray]:
    """Start and end (K,) of each category in an ascending list of categories."""
    wanted = np.arange(num_categories)
    return np.searchsorted(categories, wanted), np.searchsorted(categories, wanted, side="right")


def _curves(
    true_positive: np.ndarray, false_positive: np.ndarray, scores: np.ndarray, num_objects: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision (T, R), maximum recall (T,) and scores (T, R) from flags (T, D) in order of falling score."""
    num_thresholds = len(true_positive)
    precision = np.zeros((num_thresholds, len(RECALL_LEVELS)))
    score_at_recall = np.zeros((num_thresholds, len(RECALL_LEVELS)))
    if not len(scores):
        return precision, np.zeros(num_thresholds), score_at_recall
    tp = np.cumsum(true_positive, axis=1, dtype=np.float64)
    fp = np.cumsum(false_positive, axis=1, dtype=np.float64)
    recall = tp / num_objects
    raw_precision = tp / (tp + fp + np.spacing(1))  # the epsilon of pycocotools, to the same last digit
    # The interpolated precision at a recall is the highest precision at this or any higher recall.
    envelope = np.maximum.accumulate(raw_precision[:, ::-1], axis=1)[:, ::-1]
    for t in range(num_thresholds):
        indices = np.searchsorted(recall[t], RECALL_LEVELS, side="left")
        is_reached = indices < len(scores)
        precision[t, is_reached] = envelope[t, indices[is_reached]]
        score_at_recall[t, is_reached] = scores[indices[is_reached]]
    return precision, recall[:, -1], score_at_recall
