"""Losses on validation data."""

import pytest
import torch
from torch import nn

from detectory.engine import validation_losses


class Noisy(nn.Module):
    """Resembles a detector: losses only in training mode, random choices, batch statistics, dropout."""

    def __init__(self):
        super().__init__()
        self.norm, self.drop = nn.BatchNorm1d(2), nn.Dropout(0.5)

    def forward(self, batch):
        assert self.training
        value = self.drop(self.norm(batch)).mean()
        return {"loss_a": value, "loss_b": torch.rand(())}


def test_validation_is_deterministic_and_has_no_side_effects():
    model = Noisy().eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    results = [validation_losses(model, [torch.ones(4, 2), torch.zeros(4, 2)]) for _ in range(2)]
    assert results[0] == results[1]
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    assert not any(module.training for module in model.modules())


def test_validation_averages_over_batches():
    losses = validation_losses(Noisy(), [torch.ones(4, 2), torch.zeros(4, 2), torch.ones(4, 2)], max_batches=2)
    assert losses["loss_a"] == pytest.approx(0.5, abs=1e-4)
    assert losses["total_loss"] == pytest.approx(losses["loss_a"] + losses["loss_b"])


def test_validation_rejects_an_empty_loader():
    with pytest.raises(ValueError, match="data_loader must not be empty"):
        validation_losses(Noisy(), [])
