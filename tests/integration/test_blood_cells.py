"""Training from random weights generalizes: a small detector of blood cells in microscope images.

Budget: 300 iterations of four images, at most ten minutes on one CPU core. Measured: box AP50 89.
"""

import os

import pytest

from detectory import zoo
from detectory.core.config import LazyCall
from detectory.data import MetadataCatalog, register_pascal_voc
from detectory.data import transforms as T
from detectory.engine import train
from detectory.evaluation import PascalVOCDetectionEvaluator

CLASSES = ("RBC", "WBC", "Platelets")
SHORT = os.environ.get("DETECTORY_SLOW_TESTS") == "short"


@pytest.fixture
def blood_cells(test_data):
    """Register the datasets and return their names: 60 training images and 40 test images."""
    for split in ("trainval", "test"):
        if f"blood_{split}" not in MetadataCatalog:
            register_pascal_voc(f"blood_{split}", str(test_data / "voc_bccd"), split, 2012, CLASSES)
    return "blood_trainval", "blood_test"


def cell_recipe(names, iterations):
    """Return the zoo's small Faster R-CNN, on images at less than half of the original size."""
    config = zoo.get_config("COCO-Detection/faster_rcnn_R_18_FPN_small")
    config.model.roi_heads.num_classes = len(CLASSES)
    config.dataloader.train.dataset.names, config.dataloader.test.dataset.names = names
    config.dataloader.train.mapper.augmentations = [
        LazyCall(T.ResizeShortestEdge)(short_edge_length=[208, 224, 240], max_size=320, sample_style="choice"),
        LazyCall(T.RandomFlip)(horizontal=True, vertical=False),
        LazyCall(T.RandomFlip)(horizontal=False, vertical=True),
    ]
    config.dataloader.test.mapper.augmentations[0].short_edge_length = 224
    config.dataloader.test.mapper.augmentations[0].max_size = 300
    config.dataloader.evaluator = LazyCall(PascalVOCDetectionEvaluator)(dataset_name=names[1])
    config.train.init_checkpoint = ""
    config.train.max_iter = iterations
    config.train.device = "cpu"
    config.train.eval_period = 0
    config.train.seed = 1
    return config


@pytest.mark.slow
@pytest.mark.skipif(SHORT, reason="needs 300 iterations: unset DETECTORY_SLOW_TESTS, or run `nox -s slow`")
def test_small_detector_finds_blood_cells_in_test_images(blood_cells, tmp_path):
    config = cell_recipe(blood_cells, iterations=300)
    config.train.output_dir = str(tmp_path)
    assert train(config).metrics["bbox"]["AP50"] >= 70
