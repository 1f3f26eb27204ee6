"""Geometry, indexing and concatenation of `Boxes`."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from detectory.structures import Boxes

coordinates = st.floats(-1000, 1000, width=32)
box_rows = st.lists(st.tuples(coordinates, coordinates, coordinates, coordinates), max_size=8)


def test_converts_integers_to_float32():
    boxes = Boxes(torch.tensor([[0, 1, 2, 3]]))
    assert boxes.tensor.dtype == torch.float32
    assert boxes.tensor.tolist() == [[0, 1, 2, 3]]


@pytest.mark.parametrize("empty", [[], np.zeros((0, 4)), torch.zeros(0), torch.zeros(0, 4), torch.zeros(3, 0)])
def test_empty_input_becomes_zero_boxes(empty):
    assert Boxes(empty).tensor.shape == (0, 4)


@pytest.mark.parametrize("shape", [(4,), (2, 5), (1, 2, 4)])
def test_rejects_invalid_shapes(shape):
    with pytest.raises(ValueError, match=r"Boxes: tensor must have shape \(N, 4\), got"):
        Boxes(torch.ones(shape))


def test_area_is_width_times_height():
    assert Boxes([[1, 2, 4, 8], [0, 0, 0, 5]]).area().tolist() == [18, 0]


def test_clip_does_not_modify_the_source_tensor():
    source = torch.tensor([[-5.0, -5.0, 50.0, 60.0]])
    boxes = Boxes(source)
    boxes.clip((20, 30))
    assert boxes.tensor.tolist() == [[0, 0, 30, 20]]
    assert source.tolist() == [[-5, -5, 50, 60]]


@given(box_rows, st.integers(1, 500), st.integers(1, 500))
def test_clipped_boxes_are_inside_the_image(rows, height, width):
    boxes = Boxes(rows)
    boxes.clip((height, width))
    assert (boxes.tensor >= 0).all()
    assert (boxes.tensor[:, 0::2] <= width).all()
    assert (boxes.tensor[:, 1::2] <= height).all()


@given(box_rows, st.integers(1, 500), st.integers(1, 500))
def test_clipping_is_idempotent(rows, height, width):
    once, twice = Boxes(rows), Boxes(rows)
    once.clip((height, width))
    twice.clip((height, width)), twice.clip((height, width))
    assert torch.equal(once.tensor, twice.tensor)


def test_scale_multiplies_both_axes():
    boxes = Boxes([[1, 2, 3, 4]])
    boxes.scale(2, 10)
    assert boxes.tensor.tolist() == [[2, 20, 6, 40]]


def test_nonempty_requires_both_sides_above_the_threshold():
    boxes = Boxes([[0, 0, 2, 2], [0, 0, 1, 5], [3, 3, 1, 1]])
    assert boxes.nonempty().tolist() == [True, True, False]
    assert boxes.nonempty(threshold=1).tolist() == [True, False, False]


def test_inside_box_tolerates_the_threshold():
    boxes = Boxes([[0, 0, 9, 9], [-3, 0, 9, 9], [0, 0, 10, 10]])
    assert boxes.inside_box((10, 10)).tolist() == [True, False, False]
    assert boxes.inside_box((10, 10), boundary_threshold=4).tolist() == [True, True, True]


def test_centers_are_midpoints():
    assert Boxes([[0, 0, 4, 8]]).get_centers().tolist() == [[2, 4]]


@pytest.mark.parametrize("index", [1, -2, slice(1, 2), [1], torch.tensor([1]), torch.tensor([False, True, False])])
def test_every_index_type_selects_rows(index):
    boxes = Boxes([[0, 0, 1, 1], [0, 0, 2, 2], [0, 0, 3, 3]])
    assert boxes[index].tensor.tolist() == [[0, 0, 2, 2]]


def test_rejects_an_index_that_selects_columns():
    with pytest.raises(IndexError, match="must select whole boxes"):
        Boxes([[0, 0, 1, 1]])[:, 0]


def test_cat_preserves_order_and_accepts_an_empty_list():
    result = Boxes.cat([Boxes([[0, 0, 1, 1]]), Boxes([]), Boxes([[0, 0, 2, 2]])])
    assert result.tensor.tolist() == [[0, 0, 1, 1], [0, 0, 2, 2]]
    assert len(Boxes.cat([])) == 0


def test_cat_rejects_tensors():
    with pytest.raises(TypeError, match=r"Boxes.cat: entry 1 must be Boxes, got Tensor"):
        Boxes.cat([Boxes([]), torch.zeros(1, 4)])


def test_iteration_yields_rows():
    assert [row.tolist() for row in Boxes([[0, 0, 1, 1], [0, 0, 2, 2]])] == [[0, 0, 1, 1], [0, 0, 2, 2]]


def test_moves_between_devices(device):
    assert Boxes([[0, 0, 1, 1]]).to(device).device.type == device.type


def test_clone_does_not_share_memory():
    boxes = Boxes([[0, 0, 1, 1]])
    boxes.clone().tensor.fill_(7)
    assert boxes.tensor.tolist() == [[0, 0, 1, 1]]


def test_gradients_flow_through_scale():
    source = torch.ones(2, 4, requires_grad=True)
    boxes = Boxes(source)
    boxes.scale(2, 3)
    boxes.tensor.sum().backward()
    assert source.grad.tolist() == [[2, 3, 2, 3]] * 2
