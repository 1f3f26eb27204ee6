"""Cityscapes average precision of instance masks, from the pixel overlaps of each image.

Source: Cordts et al., "The Cityscapes Dataset for Semantic Urban Scene Understanding", CVPR 2016, section 3.3.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .labels import GROUP, IGNORED, MEAN_PIXELS, NAMES, labels_of

THRESHOLDS = np.arange(0.5, 1.0, 0.05)
"""IoU thresholds of a match."""

_MIN_PIXELS = 100
"""Instances with fewer pixels are not evaluated."""


@dataclass(frozen=True)
class InstanceOverlaps:
    """Pixel overlaps of the N predicted masks with the M annotated instances of one image.

    Args:
        objects: (M,) int64, ids of the annotated instances and groups.
        object_pixels: (M,) int64, number of pixels of each.
        labels: (N,) int64, label ids of the predictions.
        scores: (N,) float64.
        pixels: (N,) int64, number of pixels of each prediction.
        void: (N,) int64, how many of them have a true label that is not evaluated.
        shared: (N, M) int64, number of pixels in the intersection of each prediction and instance.
    """

    objects: np.ndarray
    object_pixels: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    pixels: np.ndarray
    void: np.ndarray
    shared: np.ndarray


class _Outcome(NamedTuple):
    """Outcome of matching one label in one image.

    Args:
        true_positives: Scores of the true positives.
        false_positives: Scores of the false positives.
        num_missed: Number of instances without a match.
        has_objects: Whether there are evaluated instances.
        has_predictions: Whether there are predictions.
    """

    true_positives: np.ndarray
    false_positives: np.ndarray
    num_missed: int
    has_objects: bool
    has_predictions: bool


def instance_overlaps(
    ids: np.ndarray, masks: Iterable[np.ndarray], labels: Sequence[int], scores: Sequence[float]
) -> InstanceOverlaps:
    """Count the pixels that predictions share with annotated instances; empty masks are dropped.

    Args:
        ids: (H, W) integers, the content of an `instanceIds.png`.
        masks: N masks (H, W), nonzero inside.
        labels: N label ids.
        scores: N scores.
    """
    pixels_of_id = np.bincount(ids.ravel())
    objects = np.flatnonzero(pixels_of_id)
    objects = objects[np.isin(labels_of(objects), list(MEAN_PIXELS))]
    # One histogram of ids per mask has the overlap with every instance, and with the labels that are not evaluated.
    rows = [np.bincount(ids[mask != 0], minlength=len(pixels_of_id)) for mask in masks]
    table = np.stack(rows) if rows else np.zeros((0, len(pixels_of_id)), dtype=np.int64)
    pixels = table.sum(axis=1)
    is_kept = pixels > 0
    ignored = IGNORED[len(pixels_of_id) > IGNORED]
    return InstanceOverlaps(
        objects,
        object_pixels=pixels_of_id[objects],
        labels=np.asarray(labels, dtype=np.int64)[is_kept],
        scores=np.asarray(scores, dtype=np.float64)[is_kept],
        pixels=pixels[is_kept],
        void=table[is_kept][:, ignored].sum(axis=1),
        shared=table[is_kept][:, objects],
    )


def instance_metrics(images: Sequence[InstanceOverlaps]) -> dict[str, float]:
    """Compute AP averaged over IoU 0.5 to 0.95, AP50, and both per class ("AP-car", "AP50-car"), in percent.

    NaN for classes without an evaluated instance.
    """
    table = np.array([[_average_precision(images, label, t) for t in THRESHOLDS] for label in MEAN_PIXELS])
    occurs = np.isfinite(table).any()
    metrics = {"AP": np.nanmean(table) if occurs else np.nan, "AP50": np.nanmean(table[:, 0]) if occurs else np.nan}
    for row, label in zip(table, MEAN_PIXELS, strict=True):
        metrics |= {f"AP-{NAMES[label]}": np.mean(row), f"AP50-{NAMES[label]}": row[0]}
    return {name: 100 * float(value) for name, value in metrics.items()}


def _average_precision(images: Sequence[InstanceOverlaps], label: int, threshold: float) -> float:
    """Average precision in [0, 1] of one label at one IoU threshold; NaN without instances."""
    outcomes = [_match(image, label, threshold) for image in images]
    if not any(outcome.has_objects for outcome in outcomes):
        return float("nan")
    true_positives = np.concatenate([outcome.true_positives for outcome in outcomes])
    false_positives = np.concatenate([outcome.false_positives for outcome in outcomes])
    has_predictions = any(outcome.has_predictions for outcome in outcomes)
    if not has_predictions or not len(true_positives) + len(false_positives):
        return 0.0
    return _area_under_curve(true_positives, false_positives, sum(outcome.num_missed for outcome in outcomes))


def _match(image: InstanceOverlaps, label: int, threshold: float) -> _Outcome:
    rows, columns = image.labels == label, labels_of(image.objects) == label
    pixels, scores = image.pixels[rows], image.scores[rows]
    object_pixels = image.object_pixels[columns]
    shared = image.shared[rows][:, columns]
    is_match = shared / (object_pixels + pixels[:, None] - shared) > threshold
    is_group = image.objects[columns] < GROUP
    is_small = object_pixels < _MIN_PIXELS
    is_evaluated = ~is_group & ~is_small
    true_positives, false_positives, num_missed = [np.zeros(0)], [], 0
    for column in np.flatnonzero(is_evaluated):
        matched = np.sort(scores[is_match[:, column]])
        num_missed += not len(matched)
        # Of several masks on one instance, the one with the highest score is the true positive.
        true_positives.append(matched[-1:])
        false_positives.append(matched[:-1])
    # A mask without a match is a false positive, unless most of it is on void, on groups or on small instances.
    ignored = image.void[rows] + shared[:, is_group].sum(axis=1) + shared[:, is_small].sum(axis=1)
    is_unmatched = ~is_match.any(axis=1) & (ignored / pixels <= threshold)
    false_positives.append(scores[is_unmatched])
    return _Outcome(
        np.concatenate(true_positives),
        np.concatenate(false_positives),
        num_missed,
        has_objects=bool(is_evaluated.any()),
        has_predictions=bool(rows.any()),
    )


def _area_under_curve(true_positives: np.ndarray, false_positives: np.ndarray, num_missed: int) -> float:
    """Integrate precision over recall, with one point of the curve per distinct score."""
    scores = np.concatenate([true_positives, false_positives])
    is_true = np.concatenate([np.ones(len(true_positives)), np.zeros(len(false_positives))])
    order = np.argsort(scores)
    below = np.concatenate([[0.0], np.cumsum(is_true[order])])
    first = np.unique(scores[order], return_index=True)[1]
    tp = below[-1] - below[first]  # at or above each distinct score
    fp = len(scores) - first - tp
    precision = np.append(tp / (tp + fp), 1.0)
    recall = np.append(tp / (tp + below[first] + num_missed), 0.0)
    # Each point represents the recalls half way to its neighbours, as in the official script.
    neighbours = np.concatenate([recall[:1], recall, [0.0]])
    return float(np.dot(precision, 0.5 * neighbours[:-2] - 0.5 * neighbours[2:]))
