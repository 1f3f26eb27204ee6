"""The labels of Cityscapes that count, by category, and the mean sizes of their instances.

Source: Cordts et al., "The Cityscapes Dataset for Semantic Urban Scene Understanding", CVPR 2016, and its published
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
NAMES = {label: name for labels in CATEGORIES.values() for label, name in labels.items()}
CATEGORY_OF = {label: category for category, labels in CATEGORIES.items() for label in labels}

# Label ids with instances, and how many pixels an instance has in the mean.
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
# All ids of the two categories whose labels all have instances; 29 (caravan) and 30 (trailer) never count as truth.
INSTANCE_CATEGORIES = {"human": (24, 25), "vehicle": tuple(range(26, 34))}

LABELS = 34
"""Ids are 0 to 33."""

IGNORED = np.array(sorted(set(range(LABELS)) - set(NAMES)))
"""The ids whose true pixels do not count."""

GROUP = 1000
"""Ids of instances are label * 1000 + number; an id below that is a label alone, or a group of its instances."""


def label_ids(names: Sequence[str]) -> np.ndarray:
    """Ids of the named labels: (K,) int64.

    Raises:
        ValueError: for a name that is no label of Cityscapes which counts.
    """
    ids = {name: label for label, name in NAMES.items()}
    unknown = [name for name in names if name not in ids]
    if unknown:
        raise ValueError(f"label_ids: {unknown[0]!r} is none of Cityscapes' classes: {', '.join(ids)}")
    return np.array([ids[name] for name in names], dtype=np.int64)


def labels_of(ids: np.ndarray) -> np.ndarray:
    """The label of each instance id, of groups too."""
    return np.where(ids < GROUP, ids, ids // GROUP)
