"""Detections of a one-stage model from the candidates of all its anchors: selection and NMS in NumPy."""

from collections.abc import Sequence

import numpy as np


def select_detections(
    boxes: np.ndarray,
    scores: np.ndarray,
    factors: np.ndarray,
    levels: Sequence[int],
    thresholds: dict[str, float],
    clip: tuple[int, int] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the boxes (N, 4), scores (N,) and classes (N,) int64 of an image, in descending order of the scores.

    Args:
        boxes: Boxes of all anchors, (R, 4) float32.
        scores: Scores of all anchors and classes, (R, K) float32.
        factors: Factors of the scores, (R,), applied after the selection.
        levels: Number of anchors of each level; the sum is R.
        thresholds: `score`, `nms`, `candidates_per_level` and `max_detections`.
        clip: Height and width to clip the boxes to before the NMS; None leaves them unchanged.
    """
    anchors, classes, start = [], [], 0
    for count in levels:
        anchor, label = np.nonzero(scores[start : start + count] > thresholds["score"])
        anchor += start
        order = np.argsort(-scores[anchor, label], kind="stable")[: int(thresholds["candidates_per_level"])]
        anchors.append(anchor[order])
        classes.append(label[order])
        start += count
    anchor, label = np.concatenate(anchors), np.concatenate(classes)
    selected, values = boxes[anchor], scores[anchor, label] * factors[anchor]
    if clip is not None:
        height, width = clip
        selected = selected.clip(0, np.array([width, height, width, height], np.float32))
    keep = batched_nms(selected, values, label, thresholds["nms"])[: int(thresholds["max_detections"])]
    return selected[keep], values[keep], label[keep].astype(np.int64)


def batched_nms(boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, iou_threshold: float) -> np.ndarray:
    """Return the indices of the boxes that NMS within each class keeps, in descending order of the scores.

    A box is removed if its IoU with a kept box of the same class and a higher score exceeds the threshold.
    """
    kept = [_nms(boxes, scores, np.nonzero(classes == label)[0], iou_threshold) for label in np.unique(classes)]
    indices = np.concatenate(kept) if kept else np.zeros(0, np.int64)
    indices = np.sort(indices)  # ties stay in the order of the input
    return indices[np.argsort(-scores[indices], kind="stable")]


def _nms(boxes: np.ndarray, scores: np.ndarray, members: np.ndarray, iou_threshold: float) -> np.ndarray:
    members = members[np.argsort(-scores[members], kind="stable")]
    x1, y1, x2, y2 = boxes[members].T
    areas = (x2 - x1) * (y2 - y1)
    remaining, kept = np.arange(len(members)), []
    while len(remaining):
        best, others = remaining[0], remaining[1:]
        kept.append(best)
        width = np.minimum(x2[best], x2[others]) - np.maximum(x1[best], x1[others])
        height = np.minimum(y2[best], y2[others]) - np.maximum(y1[best], y1[others])
        intersection = width.clip(0) * height.clip(0)
        union = areas[best] + areas[others] - intersection
        remaining = others[~(intersection > iou_threshold * union)]
    return members[np.array(kept, np.int64)]
