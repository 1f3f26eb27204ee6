from __future__ import annotations

import math

import pytest
import torch

from detectory.modeling.anchor_generator import DefaultAnchorGenerator, RotatedAnchorGenerator
from detectory.modeling.box_regression import (
    Box2BoxTransform,
    Box2BoxTransformLinear,
    Box2BoxTransformRotated,
    box_regression_loss,
)
from detectory.modeling.matcher import Matcher
from detectory.modeling.poolers import ROIPooler, assign_boxes_to_levels
from detectory.modeling.sampling import subsample_labels
from detectory.structures import Boxes


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
def test_deltas_lead_from_source_to_target(transform, boxes):
    source, target = boxes(20), boxes(20)
    moved = transform.apply_deltas(transform.get_deltas(source, target), source)
    assert torch.allclose(moved, target, atol=1e-3)


def test_linear_deltas_are_distances_in_units_of_the_anchor():
    source, target = torch.tensor([[0.0, 0.0, 8.0, 8.0]]), torch.tensor([[-4.0, 0.0, 12.0, 6.0]])
    deltas = Box2BoxTransformLinear().get_deltas(source, target)
    assert deltas.tolist() == [[1.0, 0.5, 1.0, 0.25]]
    assert torch.equal(Box2BoxTransformLinear().apply_deltas(deltas, source), target)


def test_growth_is_clamped():
    moved = Box2BoxTransform((1, 1, 1, 1)).apply_deltas(
        torch.tensor([[0.0, 0.0, 99.0, 0.0]]), torch.tensor([[0.0, 0, 16, 16]])
    )
    assert float(moved[0, 2] - moved[0, 0]) == pytest.approx(1000, rel=1e-4)


def test_half_precision_deltas_give_float_boxes():
    moved = Box2BoxTransform((1, 1, 1, 1)).apply_deltas(torch.zeros(1, 4).half(), torch.tensor([[0.0, 0, 2049, 3]]))
    assert moved.dtype == torch.float32
    assert float(moved[0, 2]) == 2049


def test_rejects_source_boxes_without_area():
    with pytest.raises(ValueError, match="positive width"):
        Box2BoxTransform((1, 1, 1, 1)).get_deltas(torch.zeros(1, 4), torch.ones(1, 4))


def test_rejects_an_unknown_box_loss():
    box = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    with pytest.raises(ValueError, match="did you mean 'giou'"):
        box_regression_loss(box, Box2BoxTransform((1, 1, 1, 1)), box, box, "gious", 0.0)


def test_anchors_lie_on_the_grid_row_by_row():
    anchors = DefaultAnchorGenerator(sizes=[32], aspect_ratios=[1.0, 4.0], strides=[8], offset=0.0)
    boxes = anchors([torch.zeros(1, 1, 2, 3)])[0].tensor
    assert boxes.shape == (12, 4)
    assert boxes[0].tolist() == [-16.0, -16.0, 16.0, 16.0]
    assert boxes[1].tolist() == [-8.0, -32.0, 8.0, 32.0]
    assert (boxes[2] - boxes[0]).tolist() == [8.0, 0.0, 8.0, 0.0]
    assert (boxes[6] - boxes[0]).tolist() == [0.0, 8.0, 0.0, 8.0]


def test_rotated_anchors_differ_by_angle_within_a_cell():
    anchors = RotatedAnchorGenerator(sizes=[32], aspect_ratios=[1.0], strides=[8], angles=[0, 45], offset=0.5)
    boxes = anchors([torch.zeros(1, 1, 1, 2)])[0].tensor
    assert boxes.tolist() == [[4, 4, 32, 32, 0], [4, 4, 32, 32, 45], [12, 4, 32, 32, 0], [12, 4, 32, 32, 45]]


def test_anchors_are_no_part_of_a_checkpoint():
    assert not DefaultAnchorGenerator(sizes=[32], aspect_ratios=[1.0], strides=[8]).state_dict()


def test_rejects_anchor_settings_for_another_number_of_levels():
    with pytest.raises(ValueError, match="each of 3 strides"):
        DefaultAnchorGenerator(sizes=[[32], [64]], aspect_ratios=[1.0], strides=[4, 8, 16])


QUALITY = torch.tensor([[0.9, 0.4, 0.1, 0.0], [0.1, 0.5, 0.2, 0.0]])


def test_matcher_labels_by_the_best_quality():
    matches, labels = Matcher([0.3, 0.7], [0, -1, 1])(QUALITY)
    assert matches.tolist() == [0, 1, 1, 0]
    assert labels.tolist() == [1, -1, 0, 0]


def test_matcher_keeps_the_best_prediction_of_every_object():
    _, labels = Matcher([0.3, 0.7], [0, -1, 1], allow_low_quality_matches=True)(QUALITY)
    assert labels.tolist() == [1, 1, 0, 0]


def test_matcher_gives_an_object_without_any_overlap_no_prediction():
    _, labels = Matcher([0.3], [0, 1], allow_low_quality_matches=True)(torch.zeros(1, 3))
    assert labels.tolist() == [0, 0, 0]


def test_matcher_without_objects_labels_everything_lowest():
    matches, labels = Matcher([0.3, 0.7], [0, -1, 1])(torch.zeros(0, 3))
    assert matches.tolist() == labels.tolist() == [0, 0, 0]


@pytest.mark.parametrize("thresholds", [[], [0.0], [0.7, 0.3]])
def test_rejects_thresholds_that_do_not_ascend(thresholds):
    with pytest.raises(ValueError, match="ascend"):
        Matcher(thresholds, [0, 1])


def test_sampling_fills_up_with_negatives():
    labels = torch.tensor([1, 2, 7, 7, 7, 7, -1])
    positive, negative = subsample_labels(labels, 4, 0.25, bg_label=7)
    assert len(positive) == 1
    assert len(negative) == 3
    assert set(labels[positive].tolist()) <= {1, 2}


def test_sampling_returns_fewer_where_there_are_not_enough():
    positive, negative = subsample_labels(torch.tensor([1, 1, 1, 0]), 8, 0.5, bg_label=0)
    assert (len(positive), len(negative)) == (3, 1)


def test_a_box_of_the_canonical_size_goes_to_the_canonical_level():
    sides = torch.tensor([10.0, 223.0, 224.0, 448.0, 9999.0])
    boxes = torch.stack((sides * 0, sides * 0, sides, sides), dim=1)
    assert assign_boxes_to_levels([Boxes(boxes)], 2, 5, 224, 4).tolist() == [0, 1, 2, 3, 3]


def test_pooler_takes_each_box_from_its_level_and_keeps_the_order():
    maps = [torch.full((2, 1, 64 // 2**i, 64 // 2**i), float(i)) for i in range(3)]
    pooler = ROIPooler(2, [1 / 4, 1 / 8, 1 / 16], 0, "ROIAlignV2", canonical_box_size=64, canonical_level=3)
    small, large = [10.0, 10.0, 30.0, 30.0], [0.0, 0.0, 200.0, 200.0]
    out = pooler(maps, [Boxes(torch.tensor([large, small])), Boxes(torch.tensor([small]))])
    assert out.mean((1, 2, 3)).tolist() == [2.0, 0.0, 0.0]


def test_pooler_without_boxes_gives_an_empty_batch():
    maps = [torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 4, 4)]
    assert ROIPooler(7, [1 / 4, 1 / 8], 0, "ROIAlignV2")(maps, [Boxes(torch.zeros(0, 4))]).shape == (0, 3, 7, 7)


def test_rejects_scales_that_are_no_pyramid():
    with pytest.raises(ValueError, match="powers of two"):
        ROIPooler(7, [1 / 4, 1 / 16], 0, "ROIAlignV2")
    with pytest.raises(ValueError, match="did you mean 'ROIAlignV2'"):
        ROIPooler(7, [1 / 4], 0, "ROIAlignV3")


def test_rotated_angles_wrap():
    transform = Box2BoxTransformRotated((1, 1, 1, 1, 1))
    source, target = torch.tensor([[0.0, 0, 2, 2, 170]]), torch.tensor([[0.0, 0, 2, 2, -170]])
    assert float(transform.get_deltas(source, target)[0, 4]) == pytest.approx(math.radians(20), rel=1e-4)
