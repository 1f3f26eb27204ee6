"""Cityscapes' average precision of instance masks: overlaps of one image, and the figures of all of them.

Source: Cordts et al., "The Cityscapes Dataset for Semantic Urban Scene Understanding", CVPR 2016, section 3.3.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from .labels import GROUP, IGNORED, MEAN_PIXELS, NAMES, labels_of

OVERLAPS = np.arange(0.5, 1.0, 0.05)
_LEAST_PIXELS = 100


@dataclass(frozen=True)
class InstanceOverlaps:
    """How N predicted masks of one image overlap its M annotated instances.

    Args:
        objects: (M,) int64, ids of the annotated instances and groups.
        object_pixels: (M,) int64, their sizes.
        labels: (N,) int64, label ids of the predictions.
        scores: (N,) float64.
        pixels: (N,) int64, sizes of the predictions.
        void: (N,) int64, how many of them lie where nothing counts.
        shared: (N, M) int64, how many pixels a prediction shares with each instance.
    """

    objects: np.ndarray
    object_pixels: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    pixels: np.ndarray
    void: np.ndarray
    shared: np.ndarray


def instance_overlaps(
    ids: np.ndarray, masks: Iterable[np.ndarray], labels: Sequence[int], scores: Sequence[float]
) -> InstanceOverlaps:
    """Count the pixels that predictions share with what is annotated; empty masks are left out.

    Args:
        ids: (H, W) integers, the content of an `instanceIds.png`.
        masks: N masks (H, W), nonzero inside.
        labels: N label ids.
        scores: N scores.
    """
    counts = np.bincount(ids.ravel())
    objects = np.flatnonzero(counts)
    objects = objects[np.isin(labels_of(objects), list(MEAN_PIXELS))]
    rows = [np.bincount(ids[mask != 0], minlength=len(counts)) for mask in masks]
    table = np.stack(rows) if rows else np.zeros((0, len(counts)), dtype=np.int64)
    pixels = table.sum(axis=1)
    kept = pixels > 0
    return InstanceOverlaps(
        objects,
        counts[objects],
        np.asarray(labels, dtype=np.int64)[kept],
        np.asarray(scores, dtype=np.float64)[kept],
        pixels[kept],
        table[kept][:, IGNORED[len(counts) > IGNORED]].sum(axis=1),
        table[kept][:, objects],
    )


def instance_figures(images: Sequence[InstanceOverlaps]) -> dict[str, float]:
    """Measure: AP over all overlaps, AP50, and both by class ("AP-car", "AP50-car"), in percent.

    NaN for classes without a single instance of the least size.
    """
    table = np.array([[_average_precision(images, label, overlap) for overlap in OVERLAPS] for label in MEAN_PIXELS])
    occurs = np.isfinite(table).any()
    figures = {"AP": np.nanmean(table) if occurs else np.nan, "AP50": np.nanmean(table[:, 0]) if occurs else np.nan}
    for row, label in zip(table, MEAN_PIXELS, strict=True):
        figures |= {f"AP-{NAMES[label]}": np.mean(row), f"AP50-{NAMES[label]}": row[0]}
    return {name: 100 * float(value) for name, value in figures.items()}


def _average_precision(images: Sequence[InstanceOverlaps], label: int, overlap: float) -> float:
    """Average precision in [0, 1] of one label at one overlap; NaN without instances."""
    right: list[np.ndarray] = []
    wrong: list[np.ndarray] = []
    missed, any_object, any_found = 0, False, False
    for image in images:
        hits, misses, lost, objects, found = _judge(image, label, overlap)
        right.append(hits)
        wrong.append(misses)
        missed += lost
        any_object |= objects
        any_found |= found
    if not any_object:
        return float("nan")
    hits, misses = np.concatenate(right), np.concatenate(wrong)
    return _area_under_curve(hits, misses, missed) if any_found and len(hits) + len(misses) else 0.0


def _judge(image: InstanceOverlaps, label: int, overlap: float) -> tuple[np.ndarray, np.ndarray, int, bool, bool]:
    """Scores that are right and wrong, the number of missed instances, and whether there are instances and masks."""
    rows, columns = image.labels == label, labels_of(image.objects) == label
    sizes, scores, shared = image.object_pixels[columns], image.scores[rows], image.shared[rows][:, columns]
    pixels = image.pixels[rows]
    group, small = image.objects[columns] < GROUP, sizes < _LEAST_PIXELS
    over = shared / (sizes + pixels[:, None] - shared) > overlap
    counts = ~group & ~small
    hits, misses, missed = [], [], 0
    for column in np.flatnonzero(counts):
        matched = np.sort(scores[over[:, column]])
        missed += not len(matched)
        hits.append(matched[-1:])
        misses.append(matched[:-1])  # of several masks on one instance the best is right
    # A mask on nothing is wrong unless it lies for the most part on void, on groups or on instances that are too small.
    unimportant = image.void[rows] + shared[:, group].sum(axis=1) + shared[:, small].sum(axis=1)
    stray = ~over.any(axis=1) & (unimportant / pixels <= overlap)
    misses.append(scores[stray])
    empty = np.zeros(0)
    return np.concatenate([empty, *hits]), np.concatenate(misses), missed, bool(counts.any()), bool(rows.any())


def _area_under_curve(hits: np.ndarray, misses: np.ndarray, missed: int) -> float:
    """Integrate precision over recall, both at every score that occurs."""
    scores = np.concatenate([hits, misses])
    right = np.concatenate([np.ones(len(hits)), np.zeros(len(misses))])
    order = np.argsort(scores)
    below = np.concatenate([[0.0], np.cumsum(right[order])])
    first = np.unique(scores[order], return_index=True)[1]
    true = below[-1] - below[first]
    false = len(scores) - first - true
    precision = np.append(true / (true + false), 1.0)
    recall = np.append(true / (true + below[first] + missed), 0.0)
    # A step reaches half way to the recalls on either side.
    around = np.concatenate([recall[:1], recall, [0.0]])
    return float(np.dot(precision, 0.5 * around[:-2] - 0.5 * around[2:]))
