"""Visualizer helpers used by subclasses in other projects."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from detectory.compat.detectron2.structures import Boxes, Instances
from detectory.compat.detectron2.utils.visualizer import ColorMode, Visualizer

GREEN = SimpleNamespace(thing_classes=["leaf"], thing_colors=[[0, 255, 0]])


def two_leaves():
    masks = torch.zeros(2, 40, 60, dtype=torch.bool)
    masks[0, 5:35, 5:25] = masks[1, 5:35, 35:55] = True
    return Instances((40, 60), pred_masks=masks, pred_classes=torch.zeros(2, dtype=torch.int64))


@pytest.mark.parametrize(("jittering", "is_same"), [(False, True), (True, False)])
def test_class_colours_are_exact_without_jittering(jittering, is_same):
    visualizer = Visualizer(np.zeros((40, 60, 3), np.uint8), GREEN, instance_mode=ColorMode.SEGMENTATION)
    image = visualizer.draw_instance_predictions(two_leaves(), jittering=jittering).get_image()
    assert np.array_equal(image[28, 8], image[28, 52]) is is_same


def test_empty_predictions_leave_the_image_unchanged():
    visualizer = Visualizer(np.zeros((40, 60, 3), np.uint8))
    assert not visualizer.overlay_rotated_instances(boxes=[]).get_image().any()


def test_brightness_of_a_colour_is_changed():
    visualizer = Visualizer(np.zeros((4, 6, 3), np.uint8))
    assert visualizer._change_color_brightness((0.5, 0.5, 0.5), 0.5) == pytest.approx((0.75, 0.75, 0.75))
    near = np.array(visualizer._jitter((0.5, 0.5, 0.5)))
    assert 0 < np.abs(near - 0.5).max() <= 0.5


def test_values_are_converted_to_arrays_and_masks():
    visualizer = Visualizer(np.zeros((40, 60, 3), np.uint8))
    assert visualizer._convert_boxes(Boxes(torch.ones(2, 4))).tolist() == [[1.0] * 4] * 2
    assert visualizer._convert_keypoints(torch.ones(1, 2, 3)).shape == (1, 2, 3)
    assert [mask.area() for mask in visualizer._convert_masks(two_leaves().pred_masks)] == [600, 600]


def test_grayscale_image_keeps_colours_inside_the_mask():
    visualizer = Visualizer(np.full((4, 6, 3), (30, 60, 90), np.uint8))
    image = visualizer._create_grayscale_image(np.arange(6) < np.full((4, 1), 2))
    assert image[0, :3].tolist() == [[30, 60, 90], [30, 60, 90], [60, 60, 60]]
