"""Cityscapes' IoU of classes and categories, and that weighted by the sizes of instances.

Source: Cordts et al., "The Cityscapes Dataset for Semantic Urban Scene Understanding", CVPR 2016, section 3.1.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .labels import (
    CATEGORIES,
    CATEGORY_OF,
    GROUP,
    INSTANCE_CATEGORIES,
    LABELS,
    MEAN_PIXELS,
    NAMES,
    labels_of,
)


@dataclass(frozen=True)
class LabelCounts:
    """What one image tells.

    Args:
        pairs: (P,) int64, true label * 34 + predicted label, of the pairs that occur.
        counts: (P,) int64, pixels of each pair.
        instances: (I, 4) int64, for each annotated instance its label, its pixels, how many of them were given its
            label, and how many a label of its category.
    """

    pairs: np.ndarray
    counts: np.ndarray
    instances: np.ndarray


def label_counts(found: np.ndarray, truth: np.ndarray, ids: np.ndarray) -> LabelCounts:
    """Count the pixels of one image.

    Args:
        found: (H, W) predicted label ids, 0 to 33.
        truth: (H, W) the content of its `labelIds.png`.
        ids: (H, W) the content of its `instanceIds.png`.
    """
    counts = np.bincount(truth.ravel().astype(np.int64) * LABELS + found.ravel(), minlength=LABELS * LABELS)
    pairs = np.flatnonzero(counts)
    inside = ids > GROUP
    keys = np.bincount(ids[inside].astype(np.int64) * LABELS + found[inside])
    keys = np.pad(keys, (0, -len(keys) % LABELS)).reshape(-1, LABELS)
    instances = []
    for instance in np.flatnonzero(keys.any(axis=1)).tolist():
        label = int(labels_of(np.array(instance)))
        if label in MEAN_PIXELS:
            row = keys[instance]
            of_category = row[list(INSTANCE_CATEGORIES[CATEGORY_OF[label]])].sum()
            instances.append([label, row.sum(), row[label], of_category])
    return LabelCounts(pairs, counts[pairs], np.array(instances, dtype=np.int64).reshape(-1, 4))


def label_figures(images: Iterable[LabelCounts]) -> dict[str, float]:
    """Measure, in percent: IoU and iIoU over classes, `IoU_sup` and `iIoU_sup` over categories, and those of each.

    NaN for what does not occur.
    """
    matrix = np.zeros(LABELS * LABELS, dtype=np.int64)
    hit: dict[Any, float] = dict.fromkeys([*MEAN_PIXELS, *INSTANCE_CATEGORIES], 0.0)
    lost = dict(hit)
    for image in images:
        matrix[image.pairs] += image.counts
        for label, pixels, right, of_category in image.instances.tolist():
            # An instance counts as if it had its class's mean size.
            weight = MEAN_PIXELS[label] / pixels
            for key, inside in ((label, right), (CATEGORY_OF[label], of_category)):
                hit[key] += inside * weight
                lost[key] += (pixels - inside) * weight
    confusion = matrix.reshape(LABELS, LABELS)
    classes, weighted, categories, weighted_categories = {}, {}, {}, {}
    for label, name in NAMES.items():
        right, false = int(confusion[label, label]), _false(confusion, [label], [key for key in NAMES if key != label])
        classes[name] = _share(right, false, int(confusion[label].sum()) - right)
        if label in MEAN_PIXELS:
            weighted[name] = _share(hit[label], false, lost[label])
    for category, members in CATEGORIES.items():
        labels, others = list(members), [label for label in NAMES if CATEGORY_OF[label] != category]
        right = int(confusion[np.ix_(labels, labels)].sum())
        missed = int(confusion[labels].sum()) - right
        categories[category] = _share(right, _false(confusion, labels, others), missed)
        if category in INSTANCE_CATEGORIES:
            false = _false(confusion, INSTANCE_CATEGORIES[category], others)
            weighted_categories[category] = _share(hit[category], false, lost[category])
    figures = {"IoU": _mean(classes.values()), "iIoU": _mean(weighted.values())}
    figures |= {"IoU_sup": _mean(categories.values()), "iIoU_sup": _mean(weighted_categories.values())}
    for kind, values in (("IoU", classes), ("iIoU", weighted)):
        figures |= {f"{kind}-{name}": value for name, value in values.items()}
    return {name: 100 * value for name, value in figures.items()}


def _false(confusion: np.ndarray, labels: Sequence[int], others: Sequence[int]) -> int:
    """Pixels of other labels that were given one of these."""
    return int(confusion[np.ix_(list(others), list(labels))].sum())


def _share(true: float, false: int, lost: float) -> float:
    whole = true + false + lost
    return float(true) / whole if whole else math.nan


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
