"""Tests of the visualizers by structural similarity to reference images."""

import json

import numpy as np
import pytest
from PIL import Image

from .scenes import FOLDER, SCENES, drawn, example_image

#: A moved label, a changed colour or a missing border decreases the similarity below this threshold.
_MIN_SIMILARITY = 0.985
_WINDOW = 7


def similarity(one, other):
    """Return the mean structural similarity of two images (H, W, 3) in [0, 255].

    Source: Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004, equation 13,
    with square windows, over the three channels.
    """
    first, second = one.astype(float), other.astype(float)
    mean1, mean2 = _windows(first), _windows(second)
    variance1, variance2 = _windows(first**2) - mean1**2, _windows(second**2) - mean2**2
    covariance = _windows(first * second) - mean1 * mean2
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = (2 * mean1 * mean2 + c1) / (mean1**2 + mean2**2 + c1)
    return float((luminance * (2 * covariance + c2) / (variance1 + variance2 + c2)).mean())


def _windows(values):
    """Return the means of all square windows, computed from cumulative sums."""
    sums = np.pad(values, ((1, 0), (1, 0), (0, 0))).cumsum(axis=0).cumsum(axis=1)
    window = (
        sums[_WINDOW:, _WINDOW:] - sums[:-_WINDOW, _WINDOW:] - sums[_WINDOW:, :-_WINDOW] + sums[:-_WINDOW, :-_WINDOW]
    )
    return window / _WINDOW**2


@pytest.mark.parametrize("name", SCENES)
def test_scene_matches_its_reference_image(name):
    reference = np.asarray(Image.open(FOLDER / f"{name}.png").convert("RGB"))
    image = drawn(name)
    assert image.shape == reference.shape
    assert similarity(image, reference) > _MIN_SIMILARITY


@pytest.mark.parametrize("name", SCENES)
def test_reference_image_differs_from_the_undrawn_image(name):
    reference = np.asarray(Image.open(FOLDER / f"{name}.png").convert("RGB").resize(example_image().shape[1::-1]))
    assert similarity(reference, example_image()) < _MIN_SIMILARITY


def test_similarity_detects_a_shift_by_three_pixels():
    moved = np.roll(drawn("primitives"), 3, axis=1)
    assert similarity(moved, drawn("primitives")) < _MIN_SIMILARITY


def test_scenes_use_every_documented_method(golden):
    classes = json.loads((golden / "compat_api_inventory.json").read_text())
    documented = {
        method
        for entry in classes
        if (entry["module"], entry["name"]) == ("detectron2.utils.visualizer", "Visualizer")
        for method in entry["methods"]
    }
    used = (FOLDER.parent.parent / "visualization" / "scenes.py").read_text()
    # These methods are called by other methods or are aliases.
    indirect = {"overlay_rotated_instances", "draw_and_connect_keypoints", "draw_panoptic_seg_predictions"}
    assert len(documented) == 17
    assert {name for name in documented - indirect if f".{name}(" not in used} == set()
