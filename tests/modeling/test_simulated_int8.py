"""Training with simulated int8 arithmetic."""

import pytest
import torch
from torch import nn

from detectory.modeling.layers import Conv2d, FrozenBatchNorm2d
from detectory.modeling.simulated_int8 import round_activation, round_weight, simulate_int8


def network() -> nn.Sequential:
    first = Conv2d(3, 8, 3, padding=1, norm=FrozenBatchNorm2d(8), activation=torch.relu)
    return nn.Sequential(first, nn.Conv2d(8, 2, 1))


def test_weights_have_255_values_per_channel():
    weight = torch.randn(4, 3, 3, 3) * torch.tensor([1.0, 10, 100, 0]).view(4, 1, 1, 1)
    rounded = round_weight(weight)
    scale = weight.abs().flatten(1).amax(dim=1).view(4, 1, 1, 1) / 127
    assert ((rounded - weight).abs() <= scale / 2 + 1e-6).all()
    steps = (rounded[:3] / scale[:3]).round()
    torch.testing.assert_close(steps * scale[:3], rounded[:3])


@pytest.mark.parametrize("low", [-1.0, 0.0, 2.0], ids=["signed", "from zero", "positive"])
def test_activations_have_256_values_and_an_exact_zero(low):
    x = torch.cat([torch.linspace(low, 5, 1000), torch.zeros(1)])
    rounded = round_activation(x)
    assert len(rounded.unique()) <= 256
    assert rounded[-1] == 0
    assert (rounded - x).abs().max() <= 6 / 255
    assert round_activation(torch.zeros(3)).tolist() == [0, 0, 0]
    assert round_activation(torch.zeros(0)).shape == (0,)


def test_gradients_pass_through_the_rounding():
    x = torch.rand(1, 3, 8, 8, requires_grad=True)
    model = simulate_int8(network())
    model(x).sum().backward()
    assert x.grad.abs().sum() > 0
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())


def test_parameters_keep_their_names():
    plain, simulated = network(), simulate_int8(network())
    simulated.load_state_dict(plain.state_dict())
    x = torch.rand(1, 3, 8, 8)
    difference = (plain(x) - simulated(x)).abs().max()
    assert 0 < difference < 0.05


def test_rejects_models_without_convolutions():
    with pytest.raises(ValueError, match="simulate_int8: Linear has no convolutions"):
        simulate_int8(nn.Linear(2, 2))


def test_training_learns_weights_for_int8():
    """One channel of the first layer has a large useless input range, which plain training does not avoid."""
    target, model = network(), simulate_int8(network())
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    losses = []
    for _ in range(150):
        x = torch.rand(4, 3, 8, 8)
        loss = nn.functional.mse_loss(model(x), target(x).detach())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-10:]) < 0.2 * sum(losses[:10])
