"""Combination of instances and semantic labels into a panoptic segmentation."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def combine(
    masks: Sequence[tuple[np.ndarray, int, int]],
    scores: np.ndarray,
    classes: np.ndarray,
    labels: np.ndarray,
    thresholds: Mapping[str, float],
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Return segment ids and segments as `detectory.modeling` combines them with torch.

    Args:
        masks: One (window, top, left) per detection, see `paste_mask`.
        scores: (N,).
        classes: (N,) indices of thing classes.
        labels: (H, W) semantic labels; 0 represents all thing classes.
        thresholds: `combine_overlap_thresh`, `combine_stuff_area_thresh` and `combine_instances_score_thresh`.

    Returns:
        The segment ids (H, W) int32, 0 for pixels without a segment, and one dict per segment: `id`, `isthing`,
        `category_id`, and `score` and `instance_id` of things or `area` of stuff.
    """
    ids = np.zeros(labels.shape, np.int32)
    segments: list[dict[str, Any]] = []
    for index in np.argsort(-scores, kind="stable").tolist():
        if scores[index] < thresholds["combine_instances_score_thresh"]:
            break
        mask, top, left = masks[index]
        window = ids[top : top + mask.shape[0], left : left + mask.shape[1]]
        is_covered = mask & (window > 0)
        area = int(mask.sum())
        if area == 0 or int(is_covered.sum()) / area > thresholds["combine_overlap_thresh"]:
            continue
        number = len(segments) + 1
        thing = {"score": float(scores[index]), "category_id": int(classes[index]), "instance_id": index}
        segments.append({"id": number, "isthing": True, **thing})
        window[mask & ~is_covered] = number
    for label in np.unique(labels).tolist():
        mask = (labels == label) & (ids == 0)
        area = int(mask.sum())
        if label == 0 or area < thresholds["combine_stuff_area_thresh"]:
            continue
        segments.append({"id": len(segments) + 1, "isthing": False, "category_id": label, "area": area})
        ids[mask] = len(segments)
    return ids, segments
