"""From matches to COCO's curves: precision at 101 recalls, the recall reached, and the scores there."""

from collections.abc import Sequence

import numpy as np

from .matching import CocoGroups

RECALLS = np.linspace(0.0, 1.0, 101)


def precision_recall_curves(
    groups: CocoGroups,
    scores: np.ndarray,
    found_match: np.ndarray,
    found_ignored: np.ndarray,
    object_ignored: np.ndarray,
    limits: Sequence[int],
    categories: int,
) -> dict[str, np.ndarray]:
    """Accumulate matches over images, by COCO's rules.

    Args:
        groups: The groups of D detections and M objects.
        scores: (D,) float64 in the groups' order.
        found_match: (A, T, D) int, -1 for none; found_ignored: (A, T, D) bool.
        object_ignored: (A, M) bool.
        limits: How many detections of a group count, ascending.
        categories: The number K of categories.

    Returns:
        "precision" and "scores" (T, R, K, A, M) and "recall" (T, K, A, M) with M the number of limits; -1 where a
        category has no objects in a range of areas.
    """
    areas, thresholds = found_match.shape[:2]
    shape = (thresholds, len(RECALLS), categories, areas, len(limits))
    precision, at_score = -np.ones(shape), -np.ones(shape)
    recall = -np.ones((thresholds, *shape[2:]))
    ranks, of_found, of_object = groups.ranks, groups.found_categories, groups.object_categories
    wanted = np.arange(categories)
    first, last = np.searchsorted(of_found, wanted), np.searchsorted(of_found, wanted, side="right")
    first_object, last_object = np.searchsorted(of_object, wanted), np.searchsorted(of_object, wanted, side="right")
    for k in range(categories):
        counts = (~object_ignored[:, first_object[k] : last_object[k]]).sum(axis=1)
        for m, limit in enumerate(limits):
            kept = np.arange(first[k], last[k])[ranks[first[k] : last[k]] < limit]
            order = kept[np.argsort(-scores[kept], kind="stable")]
            for a in np.flatnonzero(counts):
                matched, ignored = found_match[a][:, order] >= 0, found_ignored[a][:, order]
                curves = _curves(matched & ~ignored, ~matched & ~ignored, scores[order], int(counts[a]))
                precision[:, :, k, a, m], recall[:, k, a, m], at_score[:, :, k, a, m] = curves
    return {"precision": precision, "recall": recall, "scores": at_score}


def _curves(
    right: np.ndarray, wrong: np.ndarray, scores: np.ndarray, objects: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision (T, R), recall (T,) and scores (T, R) from what is right and wrong (T, D), the best score first."""
    hits, misses = np.cumsum(right, axis=1, dtype=np.float64), np.cumsum(wrong, axis=1, dtype=np.float64)
    reached = hits / objects
    precise = hits / (hits + misses + np.spacing(1))
    envelope = np.maximum.accumulate(precise[:, ::-1], axis=1)[:, ::-1]
    precision, at_score = np.zeros((len(right), len(RECALLS))), np.zeros((len(right), len(RECALLS)))
    if not len(scores):
        return precision, np.zeros(len(right)), at_score
    for t, (recalls, levels) in enumerate(zip(reached, envelope, strict=True)):
        places = np.searchsorted(recalls, RECALLS, side="left")
        inside = places < len(scores)
        precision[t, inside] = levels[places[inside]]
        at_score[t, inside] = scores[places[inside]]
    return precision, reached[:, -1], at_score
