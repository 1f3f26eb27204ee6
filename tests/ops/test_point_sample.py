"""Sampling of features at points."""

import pytest
import torch

from detectory.ops import point_sample


def test_pixel_centres_read_the_pixels(device):
    input = torch.arange(6.0, device=device).view(1, 1, 2, 3)
    centres = torch.tensor([[[(x + 0.5) / 3, (y + 0.5) / 2] for y in range(2) for x in range(3)]], device=device)
    torch.testing.assert_close(point_sample(input, centres), input.flatten(2))


def test_a_grid_of_points_keeps_its_shape(device):
    input, coordinates = torch.rand(2, 3, 5, 6, device=device), torch.rand(2, 4, 7, 2, device=device)
    result = point_sample(input, coordinates)
    assert result.shape == (2, 3, 4, 7)
    torch.testing.assert_close(result.flatten(2), point_sample(input, coordinates.flatten(1, 2)))


def test_gradients_agree_with_finite_differences(device):
    input = torch.rand(1, 2, 4, 5, dtype=torch.float64, device=device, requires_grad=True)
    coordinates = torch.rand(1, 6, 2, dtype=torch.float64, device=device, requires_grad=True)
    torch.autograd.gradcheck(point_sample, (input, coordinates))


@pytest.mark.parametrize("shape", [(2, 5, 2), (1, 5, 3), (1, 2)], ids=str)
def test_rejects_points_of_an_invalid_shape(shape):
    with pytest.raises(ValueError, match=r"point_sample: point_coords must have shape \(B, P, 2\)"):
        point_sample(torch.zeros(1, 1, 2, 2), torch.zeros(shape))
