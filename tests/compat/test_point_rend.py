"""PointRend's features of points."""

import pytest
import torch

from detectory.compat.detectron2.projects import point_rend
from detectory.ops import roi_align
from detectory.structures import Boxes


def test_grid_lies_on_the_centres_of_cells():
    grid = point_rend.generate_regular_grid_point_coords(2, 2, "cpu")
    assert grid[1].tolist() == [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]


def test_points_of_a_box_are_placed_in_the_image():
    placed = point_rend.get_point_coords_wrt_image(torch.tensor([[10.0, 20, 30, 60]]), torch.tensor([[[0.5, 0.25]]]))
    assert placed.tolist() == [[[20, 30]]]


def test_samples_of_a_grid_equal_roi_align_with_one_sample():
    features, box = torch.rand(1, 3, 30, 40), torch.tensor([[5.0, 6, 25, 26]])
    points = point_rend.generate_regular_grid_point_coords(1, 5, "cpu")
    sampled, _ = point_rend.point_sample_fine_grained_features([features], [0.5], [Boxes(box)], points)
    pooled = roi_align(features, torch.cat([torch.zeros(1, 1), box], dim=1), (5, 5), 0.5, 1, True)
    torch.testing.assert_close(sampled.reshape(1, 3, 5, 5), pooled)


def test_fine_features_of_every_image_come_from_its_own_map():
    features = torch.arange(2.0).reshape(2, 1, 1, 1).expand(2, 1, 8, 8)
    boxes = [Boxes(torch.tensor([[0.0, 0, 8, 8]])), Boxes(torch.tensor([[1.0, 1, 4, 4], [2, 2, 6, 6]]))]
    points = torch.full((3, 2, 2), 0.5)
    sampled, places = point_rend.point_sample_fine_grained_features([features, features], [1.0, 1.0], boxes, points)
    assert sampled[:, :, 0].tolist() == [[0, 0], [1, 1], [1, 1]]
    assert places[2, 0].tolist() == [4, 4]


def test_most_uncertain_cells_are_chosen():
    uncertainty = torch.tensor([[[[0.0, 1, 0], [0, 0, 3]]]])
    indices, points = point_rend.get_uncertain_point_coords_on_grid(uncertainty, 2)
    assert indices.tolist() == [[5, 1]]
    torch.testing.assert_close(points, torch.tensor([[[2.5 / 3, 0.75], [0.5, 0.25]]]))


def test_training_points_lie_where_masks_are_uncertain():
    torch.manual_seed(0)
    logits = torch.linspace(-4, 4, 32).expand(1, 1, 32, 32)  # zero in the middle column
    points = point_rend.get_uncertain_point_coords_with_randomness(logits, lambda x: -x.abs(), 40, 10.0, 1.0)
    assert points.shape == (1, 40, 2)
    assert (points[..., 0] - 0.5).abs().max() < 0.1


def test_rejects_ratios_out_of_range():
    with pytest.raises(ValueError, match="oversample_ratio"):
        point_rend.get_uncertain_point_coords_with_randomness(torch.rand(1, 1, 4, 4), torch.abs, 4, 0.5, 0.5)
