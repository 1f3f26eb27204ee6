"""The number of epochs by the number of images, compared with the results of benchmarks/engine/training_length.py."""

import json
import math
from pathlib import Path

import pytest

from detectory.engine.plan import choose_epochs

EXPERIMENT = json.loads((Path(__file__).parents[3] / "benchmarks/engine/training_length.json").read_text())
BATCH = 4
#: Dataset -> number of training images.
IMAGES = {"shapes_20": 20, "shapes_100": 100, "shapes_1000": 1000, "blood_cells": 60, "coco_photos": 90}


def measured(dataset):
    """Return iterations -> AP of the trainings with the recipe's optimizer."""
    rows = [row for row in EXPERIMENT["results"] if row["dataset"] == dataset]
    return {
        row["iterations"]: row["AP"]
        for row in rows
        if (row["optimizer"], row["lr"], row["clip"]) == ("AdamW", 1.5e-3, 5.0)
    }


@pytest.mark.parametrize("dataset", IMAGES)
def test_the_rule_is_within_one_ap_of_the_best_measured_length(dataset):
    images = IMAGES[dataset]
    iterations = math.ceil(choose_epochs(images, has_trained_heads=False)[0] * images / BATCH)
    grid = measured(dataset)
    longest = max(length for length in grid if length <= iterations)
    assert grid[longest] >= max(grid.values()) - 1


@pytest.mark.parametrize(
    ("images", "trained", "epochs"),
    [(1, False, 300), (20, False, 200), (60, True, 34), (60, False, 67), (1000, False, 12), (100_000, True, 12)],
)
def test_small_datasets_are_repeated_and_large_ones_passed_twelve_times(images, trained, epochs):
    assert choose_epochs(images, trained)[0] == epochs
