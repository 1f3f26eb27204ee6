"""Average precision and recall over GPS, GPSM or mask IoU, by COCO's protocol with DensePose's rules for ignoring."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: Similarities of a metric group.
MODES = ("gps", "gpsm", "segm")
MAX_DETECTIONS = 20
AREAS = {"all": (0.0, 1e10), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
_RECALLS = np.linspace(0, 1, 101)
#: Overlap of boxes at which an unmatched detection belongs to an object without annotation.
_IGNORED_OVERLAP = 0.8


@dataclass
class ImageSimilarity:
    """Objects and detections of one category in one image, the detections sorted by score.

    Attributes:
        gps: `(N, M)` geodesic point similarity of detections and objects.
        masks: `(N, M)` overlap of masks.
        boxes: `(N, M)` overlap of boxes.
        scores: `(N,)` scores, descending.
        areas: `(N,)` areas of the detected boxes.
        gt_areas: `(M,)` areas of the objects.
        gt_ignored: `(M,)` bool, whether the object has no annotation of DensePose.
        gt_crowd: `(M,)` bool.
    """

    gps: np.ndarray
    masks: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    areas: np.ndarray
    gt_areas: np.ndarray
    gt_ignored: np.ndarray
    gt_crowd: np.ndarray

    def similarity(self, mode: str) -> np.ndarray:
        """Return the similarity `(N, M)` of a mode in `MODES`."""
        return {"gps": self.gps, "gpsm": np.sqrt(self.gps * self.masks), "segm": self.masks}[mode]


@dataclass
class _Matches:
    scores: np.ndarray
    is_matched: np.ndarray  # (T, N)
    is_ignored: np.ndarray  # (T, N)
    num_objects: int


def thresholds_from(min_threshold: float) -> np.ndarray:
    """Return the thresholds from `min_threshold` to 0.95 in steps of 0.05."""
    return np.linspace(min_threshold, 0.95, round((0.95 - min_threshold) / 0.05) + 1)


def _match(image: ImageSimilarity, mode: str, area: tuple[float, float], thresholds: np.ndarray) -> _Matches:
    ignored = image.gt_ignored | (image.gt_areas < area[0]) | (image.gt_areas > area[1])
    order = np.argsort(ignored, kind="stable")  # objects that count come first
    ignored, crowd = ignored[order], image.gt_crowd[order]
    similarity, boxes = image.similarity(mode)[:, order], image.boxes[:, order]
    num_detections = len(image.scores)
    matched = np.zeros((len(thresholds), num_detections), bool)
    # Detections in images without an object that counts are neither right nor wrong.
    skip = np.full_like(matched, bool(ignored.all()))
    taken = np.zeros((len(thresholds), len(order)), bool)
    for t, threshold in enumerate(thresholds):
        for d in range(num_detections):
            best = _best_object(similarity[d], min(threshold, 1 - 1e-10), taken[t] & ~crowd, ignored)
            if best >= 0:
                matched[t, d], skip[t, d], taken[t, best] = True, ignored[best], True
    if len(thresholds) and len(order):
        _ignore_overlapping(boxes, crowd, ignored, matched, skip, taken[-1])
    outside = (image.areas < area[0]) | (image.areas > area[1])
    skip |= ~matched & outside[None]
    return _Matches(image.scores, matched, skip, int((~ignored).sum()))


def _best_object(similarity: np.ndarray, threshold: float, taken: np.ndarray, ignored: np.ndarray) -> int:
    """Return the free object with the highest similarity, preferring objects that count; -1 if there is none.

    Among equal similarities the last object is chosen, as in COCO's protocol.
    """
    best, highest = -1, threshold
    for index in range(len(similarity)):
        if taken[index]:
            continue
        if best >= 0 and not ignored[best] and ignored[index]:
            break
        if similarity[index] >= highest and similarity[index] > 0:
            best, highest = index, similarity[index]
    return best


def _ignore_overlapping(
    boxes: np.ndarray,
    crowd: np.ndarray,
    ignored: np.ndarray,
    matched: np.ndarray,
    skip: np.ndarray,
    taken: np.ndarray,
) -> None:
    """Copy the ignore flag of a free object with a similar box to detections without a match at the last threshold."""
    for d in range(len(boxes)):
        if matched[-1, d]:
            continue
        best = _best_object(boxes[d], _IGNORED_OVERLAP, taken & ~crowd, np.zeros_like(ignored))
        if best >= 0:
            skip[:, d] = ignored[best]
            if ignored[best]:
                matched[:, d], taken[best] = True, True


def _curves(images: Sequence[_Matches], num_thresholds: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return precision `(T, 101)` and recall `(T,)` of one category; `None` without objects."""
    num_objects = sum(image.num_objects for image in images)
    if num_objects == 0:
        return None
    scores = np.concatenate([image.scores for image in images])
    order = np.argsort(-scores, kind="stable")
    matched = np.concatenate([image.is_matched for image in images], axis=1)[:, order]
    skip = np.concatenate([image.is_ignored for image in images], axis=1)[:, order]
    precision, recall = np.zeros((num_thresholds, len(_RECALLS))), np.zeros(num_thresholds)
    for t in range(num_thresholds):
        right, wrong = (np.cumsum(hits & ~skip[t]) for hits in (matched[t], ~matched[t]))
        if not len(right):
            continue
        reached = right / num_objects
        ratio = right / np.maximum(right + wrong, np.spacing(1))
        ratio = np.maximum.accumulate(ratio[::-1])[::-1]
        recall[t] = reached[-1]
        index = np.searchsorted(reached, _RECALLS, side="left")
        precision[t] = np.where(index < len(ratio), ratio[np.minimum(index, len(ratio) - 1)], 0.0)
    return precision, recall


def average_metrics(
    by_category: Sequence[Sequence[ImageSimilarity]], mode: str, min_threshold: float = 0.5
) -> dict[str, float]:
    """Return the metrics of a mode in percent; NaN without objects.

    Args:
        by_category: The images of each category.
        mode: One of `MODES`.
        min_threshold: First threshold; AP20, AP30 and AP40 are included if it is low enough.

    Returns:
        AP, AP50, AP75, APm, APl, AR, AR50, AR75, ARm, ARl.
    """
    thresholds = thresholds_from(min_threshold)
    curves: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for area, limits in AREAS.items():
        found = [
            _curves([_match(image, mode, limits, thresholds) for image in images], len(thresholds))
            for images in by_category
        ]
        curves[area] = [pair for pair in found if pair is not None]

    def mean(which: int, area: str = "all", at: float | None = None) -> float:
        rows = slice(None) if at is None else np.isclose(thresholds, at)
        values = [pair[which][rows] for pair in curves[area]]
        return float(np.mean(values) * 100) if values else float("nan")

    metrics = {"AP": mean(0)}
    for percent in (20, 30, 40, 50, 75):
        if percent >= 50 or min_threshold <= percent / 100 + 1e-3:
            metrics[f"AP{percent}"] = mean(0, at=percent / 100)
    metrics |= {"APm": mean(0, "medium"), "APl": mean(0, "large")}
    metrics |= {"AR": mean(1), "AR50": mean(1, at=0.5), "AR75": mean(1, at=0.75)}
    return metrics | {"ARm": mean(1, "medium"), "ARl": mean(1, "large")}
