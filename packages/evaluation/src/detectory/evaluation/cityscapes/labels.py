"""Cityscapes labels that are evaluated, by category, and the mean sizes of their instances.

Source: Cordts et al., "The Cityscapes Dataset for Semantic Urban Scene Understanding", CVPR 2016, and the published
label definitions.
"""

from collections.abc import Sequence

import numpy as np

CATEGORIES = {
    "flat": {7: "road", 8: "sidewalk"},
    "construction": {11: "building", 12: "wall", 13: "fence"},
    "object": {17: "pole", 19: "traffic light", 20: "traffic sign"},
    "nature": {21: "vegetation", 22: "terrain"},
    "sky": {23: "sky"},
    "human": {24: "person", 25: "rider"},
    "vehicle": {26: "car", 27: "truck", 28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle"},
}
"""Category name to {label id: class name}."""

NAMES = {label: name for labels in CATEGORIES.values() for label, name in labels.items()}
CATEGORY_OF = {label: category for category, labels in CATEGORIES.items() for label in labels}

MEAN_PIXELS = {
    24: 3462.4756337644,
    25: 3930.4788056518,
    26: 12794.0202738185,
    27: 27855.1264367816,
    28: 35732.1511111111,
    31: 67583.7075812274,
    32: 6298.7200839748,
    33: 4672.3249222261,
}
"""Id of each label with instances to the mean number of pixels of an instance, as in the official scripts."""

INSTANCE_CATEGORIES = {"human": (24, 25), "vehicle": tuple(range(26, 34))}
"""Label ids of the two categories with instances. 29 (caravan) and 30 (trailer) are never true labels."""

NUM_LABELS = 34
"""Label ids are 0 to 33."""

IGNORED = np.array(sorted(set(range(NUM_LABELS)) - set(NAMES)))
"""Label ids that are not evaluated."""

GROUP = 1000
"""An instance id is label * 1000 + number; an id below 1000 is a label, for stuff or for a group of instances."""


def label_ids(names: Sequence[str]) -> np.ndarray:
    """Return the ids of the named labels: (K,) int64.

    Raises:
        ValueError: If a name is not an evaluated class of Cityscapes.
    """
    ids = {name: label for label, name in NAMES.items()}
    unknown = [name for name in names if name not in ids]
    if unknown:
        raise ValueError(f"label_ids: {unknown[0]!r} is not a class of Cityscapes: {', '.join(ids)}")
    return np.array([ids[name] for name in names], dtype=np.int64)


def labels_of(ids: np.ndarray) -> np.ndarray:
    """Return the label id of each instance or group id."""
    return np.where(ids < GROUP, ids, ids // GROUP)
