import math

import pytest
import torch

from detectory.modeling.box_regression import (
    Box2BoxTransform,
    Box2BoxTransformLinear,
    Box2BoxTransformRotated,
    box_regression_loss,
)


def random_boxes(count):
    corner = torch.rand(count, 2) * 50
    return torch.cat((corner, corner + 1 + torch.rand(count, 2) * 50), dim=1)


def random_rotated(count):
    return torch.cat((torch.rand(count, 2) * 50, 1 + torch.rand(count, 2) * 50, torch.rand(count, 1) * 360 - 180), 1)


@pytest.mark.parametrize(
    ("transform", "boxes"),
    [
        pytest.param(Box2BoxTransform((10, 10, 5, 5)), random_boxes, id="upright"),
        pytest.param(Box2BoxTransformRotated((10, 10, 5, 5, 1)), random_rotated, id="rotated"),
    ],
)
def test_applying_deltas_to_the_source_returns_the_target(transform, boxes):
    source, target = boxes(20), boxes(20)
    moved = transform.apply_deltas(transform.get_deltas(source, target), source)
    assert torch.allclose(moved, target, atol=1e-3)


def test_linear_deltas_are_distances_in_units_of_the_anchor():
    source, target = torch.tensor([[0.0, 0.0, 8.0, 8.0]]), torch.tensor([[-4.0, 0.0, 12.0, 6.0]])
    deltas = Box2BoxTransformLinear().get_deltas(source, target)
    assert deltas.tolist() == [[1.0, 0.5, 1.0, 0.25]]
    assert torch.equal(Box2BoxTransformLinear().apply_deltas(deltas, source), target)


def test_box_growth_is_clamped():
    moved = Box2BoxTransform((1, 1, 1, 1)).apply_deltas(
        torch.tensor([[0.0, 0.0, 99.0, 0.0]]), torch.tensor([[0.0, 0, 16, 16]])
    )
    assert float(moved[0, 2] - moved[0, 0]) == pytest.approx(1000, rel=1e-4)


def test_half_precision_deltas_yield_float32_boxes():
    moved = Box2BoxTransform((1, 1, 1, 1)).apply_deltas(torch.zeros(1, 4).half(), torch.tensor([[0.0, 0, 2049, 3]]))
    assert moved.dtype == torch.float32
    assert float(moved[0, 2]) == 2049


def test_rejects_source_boxes_without_area():
    with pytest.raises(ValueError, match="positive width"):
        Box2BoxTransform((1, 1, 1, 1)).get_deltas(torch.zeros(1, 4), torch.ones(1, 4))


def test_rejects_unknown_box_loss():
    box = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    with pytest.raises(ValueError, match="did you mean 'giou'"):
        box_regression_loss(box, Box2BoxTransform((1, 1, 1, 1)), box, box, "gious", 0.0)


def test_angle_deltas_are_wrapped():
    transform = Box2BoxTransformRotated((1, 1, 1, 1, 1))
    source, target = torch.tensor([[0.0, 0, 2, 2, 170]]), torch.tensor([[0.0, 0, 2, 2, -170]])
    assert float(transform.get_deltas(source, target)[0, 4]) == pytest.approx(math.radians(20), rel=1e-4)
