"""Fixtures of the plan tests: a recipe, a dataset and a machine."""

import pytest

from detectory import zoo
from detectory.engine.plan import DatasetFacts, InitialWeights, Machine

SMALL = "COCO-Detection/faster_rcnn_R_18_FPN_small"
LARGE = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x"


@pytest.fixture
def small():
    return zoo.get_config(SMALL)


@pytest.fixture
def large():
    return zoo.get_config(LARGE)


@pytest.fixture
def facts():
    """A thousand images of 480 x 640 pixels with boxes of three classes."""
    return DatasetFacts(
        images=1000,
        val_images=100,
        classes=("red", "white", "blue"),
        objects=5000,
        masks={"none": 5000},
        keypoints={0: 5000},
        max_objects=20,
    )


@pytest.fixture
def cpu():
    return Machine("cpu", 2)


@pytest.fixture
def random_weights():
    return InitialWeights("none", "", "no weights")
