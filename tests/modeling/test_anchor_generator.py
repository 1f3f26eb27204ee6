import pytest
import torch

from detectory.modeling.anchor_generator import DefaultAnchorGenerator, RotatedAnchorGenerator


def test_anchors_are_ordered_row_by_row():
    anchors = DefaultAnchorGenerator(sizes=[32], aspect_ratios=[1.0, 4.0], strides=[8], offset=0.0)
    boxes = anchors([torch.zeros(1, 1, 2, 3)])[0].tensor
    assert boxes.shape == (12, 4)
    assert boxes[0].tolist() == [-16.0, -16.0, 16.0, 16.0]
    assert boxes[1].tolist() == [-8.0, -32.0, 8.0, 32.0]
    assert (boxes[2] - boxes[0]).tolist() == [8.0, 0.0, 8.0, 0.0]
    assert (boxes[6] - boxes[0]).tolist() == [0.0, 8.0, 0.0, 8.0]


def test_rotated_anchors_of_a_cell_differ_by_angle():
    anchors = RotatedAnchorGenerator(sizes=[32], aspect_ratios=[1.0], strides=[8], angles=[0, 45], offset=0.5)
    boxes = anchors([torch.zeros(1, 1, 1, 2)])[0].tensor
    assert boxes.tolist() == [[4, 4, 32, 32, 0], [4, 4, 32, 32, 45], [12, 4, 32, 32, 0], [12, 4, 32, 32, 45]]


def test_anchors_are_not_in_the_state_dict():
    assert not DefaultAnchorGenerator(sizes=[32], aspect_ratios=[1.0], strides=[8]).state_dict()


def test_rejects_sizes_for_the_wrong_number_of_levels():
    with pytest.raises(ValueError, match="each of the 3 strides"):
        DefaultAnchorGenerator(sizes=[[32], [64]], aspect_ratios=[1.0], strides=[4, 8, 16])
