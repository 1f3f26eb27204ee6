"""Models of four kinds learn real photographs by heart: every part of training works, from files to the metric."""

import os

import pytest

from detectory.cli.demo.page import read_history
from detectory.engine import train

from . import eight_images, small_recipes

SHORT = os.environ.get("DETECTORY_SLOW_TESTS") == "short"
#: Model -> photographs, iterations of four, and what is measured.
MODELS = {
    "mask_rcnn": (eight_images.instances, 450, ("segm", "AP")),
    "retinanet": (eight_images.instances, 120, ("bbox", "AP")),
    "keypoint_rcnn": (eight_images.keypoints, 200, ("keypoints", "AP")),
    "panoptic_fpn": (eight_images.panoptic, 450, ("panoptic_seg", "PQ")),
}


@pytest.fixture(scope="module", params=MODELS)
def overfitted(request, test_data, tmp_path_factory):
    """The metric of the last evaluation, and the history, of a run on eight photographs."""
    folder = tmp_path_factory.mktemp(request.param)
    photographs, iterations, (task, metric) = MODELS[request.param]
    name = photographs(test_data / "coco", folder)
    config = getattr(small_recipes, request.param)(30 if SHORT else iterations, name)
    config.train.output_dir = str(folder / "run")
    config.train.checkpointer.period = 10_000
    results = train(config)
    yield results[task][metric], read_history(folder / "run" / "metrics.json")
    eight_images.forget(name)


@pytest.mark.slow
def test_losses_fall_on_eight_images(overfitted):
    losses = [row["total_loss"] for row in overfitted[1] if "total_loss" in row]
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.slow
@pytest.mark.skipif(SHORT, reason="needs hundreds of iterations: unset DETECTORY_SLOW_TESTS, or run `nox -s slow`")
def test_eight_photographs_are_learned_to_60(overfitted):
    assert overfitted[0] >= 60
