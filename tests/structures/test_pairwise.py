"""Pairwise overlaps and distances, checked against hand-computed values."""

import pytest
import torch

from detectory.structures import (
    Boxes,
    RotatedBoxes,
    matched_pairwise_iou,
    pairwise_intersection,
    pairwise_ioa,
    pairwise_iou,
    pairwise_point_box_distance,
)

FIRST = Boxes([[0, 0, 10, 10], [0, 0, 1, 1]])
SECOND = Boxes([[5, 5, 15, 15], [0, 0, 10, 5], [20, 20, 30, 30]])


def test_pairwise_intersection():
    assert pairwise_intersection(FIRST, SECOND).tolist() == [[25, 50, 0], [0, 1, 0]]


def test_pairwise_iou():
    expected = torch.tensor([[25 / 175, 0.5, 0], [0, 1 / 50, 0]])
    torch.testing.assert_close(pairwise_iou(FIRST, SECOND), expected)


def test_ioa_divides_by_the_area_of_the_second_box():
    torch.testing.assert_close(pairwise_ioa(FIRST, SECOND), torch.tensor([[0.25, 1, 0], [0, 0.02, 0]]))


def test_matched_iou_is_the_diagonal_of_pairwise_iou():
    boxes = Boxes([[1, 1, 4, 4], [5, 5, 5, 5]])
    torch.testing.assert_close(matched_pairwise_iou(FIRST, boxes), pairwise_iou(FIRST, boxes).diagonal())


def test_matched_iou_rejects_different_lengths():
    with pytest.raises(ValueError, match="must have the same length, got 2 and 3"):
        matched_pairwise_iou(FIRST, SECOND)


@pytest.mark.parametrize("function", [pairwise_iou, pairwise_ioa, pairwise_intersection, matched_pairwise_iou])
def test_rejects_tensors(function):
    with pytest.raises(TypeError, match=rf"{function.__name__}: boxes2 must be Boxes, got Tensor"):
        function(FIRST, SECOND.tensor)


def test_axis_aligned_iou_rejects_rotated_boxes():
    with pytest.raises(TypeError, match="boxes1 must be Boxes, got RotatedBoxes"):
        pairwise_iou(RotatedBoxes([[0, 0, 1, 1, 45]]), FIRST)


def test_distances_are_positive_only_inside_the_box():
    distances = pairwise_point_box_distance(torch.tensor([[2.0, 3.0], [11.0, 5.0]]), FIRST)
    assert distances.shape == (2, 2, 4)
    assert distances[0, 0].tolist() == [2, 3, 8, 7]
    assert distances[1, 0].tolist() == [11, 5, -1, 5]
