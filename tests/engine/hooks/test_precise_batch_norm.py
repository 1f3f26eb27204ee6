"""Precise batch normalisation statistics."""

import pytest
import torch
from tests.engine.hooks.idle_trainer import run
from torch import nn

from detectory.engine import hooks
from detectory.engine.hooks.precise_batch_norm import get_bn_modules, update_bn_stats


def test_precise_statistics_equal_those_of_all_batches_combined():
    batches = torch.randn(4, 8, 3)
    model = nn.BatchNorm1d(3)
    update_bn_stats(model, iter(batches), num_iters=4)
    combined = batches.reshape(-1, 3)
    assert torch.allclose(model.running_mean, combined.mean(0), atol=1e-6)
    assert torch.allclose(model.running_var, combined.var(0, correction=0), atol=1e-6)
    assert model.momentum == 0.1


def test_precise_statistics_require_enough_batches():
    with pytest.raises(ValueError, match="data_loader ended after 1 of 2 batches"):
        update_bn_stats(nn.BatchNorm1d(3), [torch.randn(4, 3)], num_iters=2)


def test_precise_statistics_ignore_frozen_layers():
    model = nn.Sequential(nn.BatchNorm1d(3), nn.BatchNorm1d(3).eval(), nn.BatchNorm1d(3, track_running_stats=False))
    assert get_bn_modules(model) == [model[0]]


def test_precise_bn_updates_at_the_end():
    model = nn.BatchNorm1d(3)
    run([hooks.PreciseBN(0, model, [torch.full((4, 3), 7.0)] * 2, 2)], 3)
    assert model.running_mean.tolist() == [7, 7, 7]
