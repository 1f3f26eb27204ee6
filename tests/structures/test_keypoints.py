"""`Keypoints` and their conversion to and from heatmaps."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from detectory.structures import Keypoints, heatmaps_to_keypoints

BOX = torch.tensor([[10.0, 20.0, 30.0, 60.0]])


def cell_of(x: float, y: float, visibility: int = 2) -> tuple[int, bool]:
    cells, valid = Keypoints([[[x, y, visibility]]]).to_heatmap(BOX, 4)
    return cells.item(), valid.item()


@pytest.mark.parametrize("values", [torch.ones(2, 3, 3, dtype=torch.int64), np.ones((2, 3, 3)), [[[1, 1, 1]] * 3] * 2])
def test_converts_input_to_float32(values):
    keypoints = Keypoints(values)
    assert (keypoints.tensor.dtype, keypoints.tensor.shape, len(keypoints)) == (torch.float32, (2, 3, 3), 2)


def test_rejects_invalid_shapes():
    with pytest.raises(ValueError, match=r"must have shape \(N, K, 3\), got \(2, 3\)"):
        Keypoints(torch.ones(2, 3))


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ((10, 20), (0, True)),
        ((14.9, 29.9), (0, True)),
        ((15, 30), (5, True)),
        ((30, 60), (15, True)),
        ((30.1, 40), (0, False)),
        ((9.9, 40), (0, False)),
        ((15, 30, 0), (0, False)),
        ((15, 30, 1), (5, True)),
    ],
    ids=["corner", "first cell", "second cell", "far corner", "right of box", "left of box", "unlabelled", "hidden"],
)
def test_to_heatmap_returns_the_cell(point, expected):
    assert cell_of(*point) == expected


@given(st.integers(0, 55), st.integers(0, 55))
def test_maximum_is_returned_as_the_centre_of_its_cell(column, row):
    maps = torch.zeros(1, 1, 56, 56)
    maps[0, 0, row, column] = 10
    x, y, logit, _score = heatmaps_to_keypoints(maps, torch.tensor([[0.0, 0.0, 56.0, 56.0]]))[0, 0].tolist()
    assert (x, y, logit) == (column + 0.5, row + 0.5, 10)


def test_score_is_the_softmax_at_the_maximum():
    maps = torch.randn(1, 2, 8, 8)
    keypoints = heatmaps_to_keypoints(maps, torch.tensor([[3.0, 5.0, 11.0, 13.0]]))
    best = maps.flatten(2).softmax(dim=2).max(dim=2).values
    torch.testing.assert_close(keypoints[..., 3], best)


def test_keypoints_are_inside_boxes_with_fractional_sides():
    boxes = torch.tensor([[1.0, 2.0, 4.7, 3.2], [0.0, 0.0, 0.3, 9.9]])
    keypoints = heatmaps_to_keypoints(torch.randn(2, 5, 7, 7), boxes)
    assert (keypoints[..., :2] >= boxes[:, None, :2]).all()
    assert (keypoints[..., :2] <= torch.maximum(boxes[:, None, 2:], boxes[:, None, :2] + 1)).all()


def test_accepts_zero_boxes():
    assert heatmaps_to_keypoints(torch.zeros(0, 17, 8, 8), torch.zeros(0, 4)).shape == (0, 17, 4)
    cells, valid = Keypoints(torch.zeros(0, 17, 3)).to_heatmap(torch.zeros(0, 4), 56)
    assert cells.shape == valid.shape == (0, 17)


def test_rejects_a_different_number_of_boxes():
    with pytest.raises(ValueError, match=r"boxes must have shape \(1, 4\), got \(2, 4\)"):
        Keypoints(torch.ones(1, 1, 3)).to_heatmap(torch.ones(2, 4), 4)
    with pytest.raises(ValueError, match=r"heatmaps_to_keypoints: maps must be .* got \(1, 1, 4, 4\) and \(2, 4\)"):
        heatmaps_to_keypoints(torch.ones(1, 1, 4, 4), torch.ones(2, 4))


def test_cat_and_index_preserve_order():
    keypoints = Keypoints.cat([Keypoints(torch.zeros(1, 2, 3)), Keypoints(torch.ones(1, 2, 3))])
    assert keypoints[1].tensor.mean() == 1
    assert keypoints[:1].tensor.mean() == 0
    with pytest.raises(ValueError, match=r"Keypoints.cat: list must not be empty"):
        Keypoints.cat([])
