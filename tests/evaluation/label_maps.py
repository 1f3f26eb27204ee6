"""Random label maps and a slow search for boundary pixels."""

import math

import numpy as np


def random_labels(seed, classes=3, none=False):
    rng = np.random.default_rng(seed)
    labels = np.kron(rng.integers(0, classes + none, (6, 8)), np.ones((5, 6), np.int64))
    labels[rng.random(labels.shape) < 0.1] = 0
    return labels


def slow_boundary(labels, ratio=0.02):
    """Whether each pixel is near another label or the image border, one window at a time."""
    height, width = labels.shape
    reach = max(round(ratio * math.hypot(height, width)), 1)
    padded = np.pad(labels, reach, constant_values=-1)
    near = np.zeros(labels.shape, bool)
    for y in range(height):
        for x in range(width):
            near[y, x] = len(np.unique(padded[y : y + 2 * reach + 1, x : x + 2 * reach + 1])) > 1
    return near
