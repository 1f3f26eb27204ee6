"""Four model types overfit eight COCO images: a check of the whole training path, from files to metrics."""

import os

import pytest

from detectory.cli.demo.page import read_history
from detectory.engine import train

from . import eight_images, small_recipes

SHORT = os.environ.get("DETECTORY_SLOW_TESTS") == "short"
#: Model -> dataset, iterations of 4 images, and metric.
MODELS = {
    "mask_rcnn": (eight_images.instances, 450, ("segm", "AP")),
    "retinanet": (eight_images.instances, 120, ("bbox", "AP")),
    "keypoint_rcnn": (eight_images.keypoints, 200, ("keypoints", "AP")),
    "panoptic_fpn": (eight_images.panoptic, 450, ("panoptic_seg", "PQ")),
}


@pytest.fixture(scope="module", params=MODELS)
def overfitted(request, test_data, tmp_path_factory):
    """Train on eight images and return the final metric and the history."""
    folder = tmp_path_factory.mktemp(request.param)
    register, iterations, (task, metric) = MODELS[request.param]
    name = register(test_data / "coco", folder)
    config = getattr(small_recipes, request.param)(30 if SHORT else iterations, name)
    config.train.output_dir = str(folder / "run")
    config.train.checkpointer.period = 10_000
    results = train(config).metrics
    yield results[task][metric], read_history(folder / "run" / "metrics.json")
    eight_images.unregister(name)


@pytest.mark.slow
def test_losses_decrease(overfitted):
    losses = [row["total_loss"] for row in overfitted[1] if "total_loss" in row]
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.slow
@pytest.mark.skipif(SHORT, reason="needs hundreds of iterations: unset DETECTORY_SLOW_TESTS, or run `nox -s slow`")
def test_metric_reaches_60(overfitted):
    assert overfitted[0] >= 60
