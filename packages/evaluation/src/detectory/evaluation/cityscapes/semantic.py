"""Cityscapes IoU of classes and categories, also weighted by the sizes of instances (iIoU).

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
    MEAN_PIXELS,
    NAMES,
    NUM_LABELS,
    labels_of,
)


@dataclass(frozen=True)
class LabelCounts:
    """The nonzero pixel counts of one image.

    Args:
        pairs: (P,) int64, true label * 34 + predicted label of the pairs that occur.
        counts: (P,) int64, pixels of each pair.
        instances: (I, 4) int64; for each annotated instance its label, its pixels, and how many of them have the
            correct label and a label of the correct category.
    """

    pairs: np.ndarray
    counts: np.ndarray
    instances: np.ndarray


def label_counts(prediction: np.ndarray, ground_truth: np.ndarray, ids: np.ndarray) -> LabelCounts:
    """Count the pixels of one image.

    Args:
        prediction: (H, W) predicted label ids, 0 to 33.
        ground_truth: (H, W), the content of its `labelIds.png`.
        ids: (H, W), the content of its `instanceIds.png`.
    """
    size = NUM_LABELS * NUM_LABELS
    counts = np.bincount(ground_truth.ravel().astype(np.int64) * NUM_LABELS + prediction.ravel(), minlength=size)
    pairs = np.flatnonzero(counts)
    is_instance = ids > GROUP
    per_id = np.bincount(ids[is_instance].astype(np.int64) * NUM_LABELS + prediction[is_instance])
    per_id = np.pad(per_id, (0, -len(per_id) % NUM_LABELS)).reshape(-1, NUM_LABELS)
    instances = []
    for instance in np.flatnonzero(per_id.any(axis=1)).tolist():
        label = int(labels_of(np.array(instance)))
        if label in MEAN_PIXELS:
            row = per_id[instance]
            of_category = row[list(INSTANCE_CATEGORIES[CATEGORY_OF[label]])].sum()
            instances.append([label, row.sum(), row[label], of_category])
    return LabelCounts(pairs, counts[pairs], np.array(instances, dtype=np.int64).reshape(-1, 4))


def label_metrics(images: Iterable[LabelCounts]) -> dict[str, float]:
    """Compute IoU and iIoU of classes, `IoU_sup` and `iIoU_sup` of categories, and both per class, in percent.

    NaN for classes and categories that do not occur.
    """
    flat = np.zeros(NUM_LABELS * NUM_LABELS, dtype=np.int64)
    # Weighted pixels per label id and per category name.
    weighted_correct: dict[Any, float] = dict.fromkeys([*MEAN_PIXELS, *INSTANCE_CATEGORIES], 0.0)
    weighted_missed = dict(weighted_correct)
    for image in images:
        flat[image.pairs] += image.counts
        for label, pixels, correct, correct_category in image.instances.tolist():
            # Each instance has the weight of an instance of its class's mean size, so large ones do not dominate.
            weight = MEAN_PIXELS[label] / pixels
            for key, count in ((label, correct), (CATEGORY_OF[label], correct_category)):
                weighted_correct[key] += count * weight
                weighted_missed[key] += (pixels - count) * weight
    confusion = flat.reshape(NUM_LABELS, NUM_LABELS)
    iou, instance_iou, category_iou, category_instance_iou = {}, {}, {}, {}
    for label, name in NAMES.items():
        correct = int(confusion[label, label])
        false = _false_positives(confusion, [label], [other for other in NAMES if other != label])
        iou[name] = _iou(correct, false, int(confusion[label].sum()) - correct)
        if label in MEAN_PIXELS:
            instance_iou[name] = _iou(weighted_correct[label], false, weighted_missed[label])
    for category, members in CATEGORIES.items():
        labels = list(members)
        others = [label for label in NAMES if CATEGORY_OF[label] != category]
        correct = int(confusion[np.ix_(labels, labels)].sum())
        false = _false_positives(confusion, labels, others)
        category_iou[category] = _iou(correct, false, int(confusion[labels].sum()) - correct)
        if category in INSTANCE_CATEGORIES:
            false = _false_positives(confusion, INSTANCE_CATEGORIES[category], others)
            category_instance_iou[category] = _iou(weighted_correct[category], false, weighted_missed[category])
    metrics = {
        "IoU": _mean(iou.values()),
        "iIoU": _mean(instance_iou.values()),
        "IoU_sup": _mean(category_iou.values()),
        "iIoU_sup": _mean(category_instance_iou.values()),
    }
    metrics |= {f"IoU-{name}": value for name, value in iou.items()}
    metrics |= {f"iIoU-{name}": value for name, value in instance_iou.items()}
    return {name: 100 * value for name, value in metrics.items()}


def _false_positives(confusion: np.ndarray, labels: Sequence[int], others: Sequence[int]) -> int:
    """Pixels of other labels that were predicted as one of these."""
    return int(confusion[np.ix_(list(others), list(labels))].sum())


def _iou(correct: float, false: int, missed: float) -> float:
    union = correct + false + missed
    return float(correct) / union if union else math.nan


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
