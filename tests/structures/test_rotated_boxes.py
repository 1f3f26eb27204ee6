"""Geometry of `RotatedBoxes`, checked against individually rotated corners."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from detectory.structures import RotatedBoxes

coordinate, side, angle = st.floats(-50, 50), st.floats(0.5, 40), st.floats(-360, 360)


def corners(row: list[float]) -> torch.Tensor:
    cx, cy, w, h, degrees = row
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    offsets = [(-w / 2, -h / 2), (w / 2, -h / 2), (w / 2, h / 2), (-w / 2, h / 2)]
    return torch.tensor([[cx + c * dx + s * dy, cy + c * dy - s * dx] for dx, dy in offsets])


def test_area_and_centres_ignore_the_angle():
    boxes = RotatedBoxes([[1, 2, 3, 4, 77]])
    assert (boxes.area().tolist(), boxes.get_centers().tolist()) == ([12], [[1, 2]])


@given(angle)
def test_normalized_angles_are_in_the_principal_range(degrees):
    boxes = RotatedBoxes([[0, 0, 1, 1, degrees]])
    boxes.normalize_angles()
    normal = boxes.tensor[0, 4].item()
    assert -180 <= normal < 180
    assert math.isclose(math.cos(math.radians(normal)), math.cos(math.radians(degrees)), abs_tol=1e-4)


@given(coordinate, coordinate, side, side, angle)
def test_inside_box_considers_all_corners(cx, cy, w, h, degrees):
    row = [cx, cy, w, h, degrees]
    points = corners(row)
    limit = torch.tensor([30.0, 20.0])
    if (points.abs() < 1e-3).any() or ((points - limit).abs() < 1e-3).any():
        return
    expected = ((points >= 0) & (points < limit)).all().item()
    assert RotatedBoxes([row]).inside_box((20, 30)).item() == expected


def test_clip_skips_rotated_boxes():
    boxes = RotatedBoxes([[5, 5, 20, 20, 0.5], [5, 5, 20, 20, 360], [5, 5, 20, 20, 30]])
    boxes.clip((10, 12))
    expected = torch.tensor([[6, 5, 12, 10, 0.5], [6, 5, 12, 10, 0], [5, 5, 20, 20, 30]])
    torch.testing.assert_close(boxes.tensor, expected)


@given(coordinate, coordinate, side, side, angle, st.floats(0.2, 5))
def test_equal_scale_factors_preserve_the_shape(cx, cy, w, h, degrees, scale):
    row = [cx, cy, w, h, degrees]
    boxes = RotatedBoxes([row])
    boxes.scale(scale, scale)
    torch.testing.assert_close(corners(boxes.tensor[0].tolist()), corners(row) * scale, atol=1e-2, rtol=1e-3)


def test_unequal_scale_factors_swap_at_90_degrees():
    boxes = RotatedBoxes([[1, 1, 4, 2, 90]])
    boxes.scale(3, 5)
    torch.testing.assert_close(boxes.tensor, torch.tensor([[3.0, 5, 20, 6, 90]]))


@pytest.mark.parametrize("empty", [[], torch.zeros(0), torch.zeros(0, 5)])
def test_empty_input_becomes_zero_boxes(empty):
    assert RotatedBoxes(empty).tensor.shape == (0, 5)


def test_rejects_invalid_shapes():
    with pytest.raises(ValueError, match=r"RotatedBoxes: tensor must have shape \(N, 5\), got \[2, 4\]"):
        RotatedBoxes(torch.ones(2, 4))


def test_indexing_cloning_and_concatenation_keep_the_class():
    boxes = RotatedBoxes([[0, 0, 1, 1, 0], [0, 0, 2, 0, 0]])
    assert boxes.nonempty().tolist() == [True, False]
    joined = RotatedBoxes.cat([boxes, boxes[1], boxes.clone(), boxes[:0].to("cpu")])
    assert isinstance(joined, RotatedBoxes)
    assert [row.shape for row in joined] == [(5,)] * 5
    with pytest.raises(TypeError, match="entry 0 must be RotatedBoxes"):
        RotatedBoxes.cat([torch.ones(1, 5)])
