"""Losses on validation data."""

import pytest
import torch
from torch import nn

from detectory.core.events import EventStorage, get_event_storage
from detectory.evaluation import LossEvaluator, inference_on_dataset


class Regression(nn.Module):
    """Returns predictions in evaluation mode and two losses, one of them random, in training mode."""

    def __init__(self):
        super().__init__()
        self.norm, self.drop, self.linear = nn.BatchNorm1d(2), nn.Dropout(), nn.Linear(2, 1)

    def forward(self, batch):
        predicted = self.linear(self.drop(self.norm(torch.stack([record["x"] for record in batch]))))
        if not self.training:
            return [{"y": y} for y in predicted]
        get_event_storage().put_scalar("seen", 1)
        return {"loss_fit": (predicted - 1).square().mean(), "loss_random": torch.rand(())}


def batches(sizes):
    torch.manual_seed(1)
    return [[{"image_id": 10 * b + i, "x": torch.randn(2)} for i in range(size)] for b, size in enumerate(sizes)]


def test_losses_are_the_mean_over_images():
    model, data = Regression(), batches([3, 1])
    metrics = inference_on_dataset(model, data, LossEvaluator(model))["loss"]
    model.eval()
    inputs = torch.stack([record["x"] for batch in data for record in batch])
    expected = (model.linear(model.norm(inputs)) - 1).square().mean().item()
    assert metrics["loss_fit"] == pytest.approx(expected)
    assert metrics["total_loss"] == pytest.approx(metrics["loss_fit"] + metrics["loss_random"])


def test_restores_the_model_the_events_and_the_random_state():
    model = Regression()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    with EventStorage() as storage:
        data = batches([2, 2])
        before = torch.random.get_rng_state()
        inference_on_dataset(model, data, LossEvaluator(model))
        assert "seen" not in storage.latest()
    assert model.training
    assert model.norm.training
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())


def test_repeated_evaluation_returns_the_same_losses():
    model, data = Regression(), batches([2, 3])
    first, second = (inference_on_dataset(model, data, LossEvaluator(model)) for _ in range(2))
    assert first == second


def test_batch_evaluated_twice_counts_once():
    model, data = Regression(), batches([2, 3])
    once, twice = (inference_on_dataset(model, d, LossEvaluator(model)) for d in (data, data + data[:1]))
    assert once == twice


def test_results_without_images_are_empty():
    assert inference_on_dataset(Regression(), [], LossEvaluator(Regression())) == {}


class Silent(nn.Module):
    """Returns a tensor instead of losses."""

    def forward(self, batch):
        return torch.stack([record["x"] for record in batch])


def test_rejects_a_model_without_losses():
    with pytest.raises(ValueError, match="the model must return a dict of losses, got Tensor"):
        inference_on_dataset(Silent(), batches([1]), LossEvaluator(Silent()))
