"""Facts about a dataset that the plan of a training depends on."""

import numpy as np
import pytest

from detectory.engine.plan.facts import _small_object
from detectory.structures import BoxMode


def test_the_size_of_a_rotated_box_is_that_of_the_box_around_it():
    annotation = {"bbox": [50, 40, 30, 20, 90], "bbox_mode": BoxMode.XYWHA_ABS}
    assert _small_object([{"annotations": [annotation]}], np.array([[80, 100]])) == pytest.approx(600**0.5 / 80)
