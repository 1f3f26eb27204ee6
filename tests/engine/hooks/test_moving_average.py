"""Moving average of the weights."""

import pytest
import torch
from tests.engine.hooks.idle_trainer import run
from torch import nn

from detectory.core.checkpoint import Checkpointer
from detectory.engine import HookBase, hooks


class CountIterations(HookBase):
    """Sets the only weight of a model to the number of completed iterations."""

    def __init__(self, model):
        self.model = model

    def after_step(self):
        nn.init.constant_(self.model.weight, self.trainer.iter + 1)


@pytest.fixture
def model():
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    return model


def test_averages_the_weights(model):
    average = hooks.MovingAverage(model, decay=0.5)
    run([CountIterations(model), average], 3)
    expected = 0.0
    for count in (1, 2, 3):
        weight = min(0.5, (1 + count) / (10 + count))
        expected = weight * expected + (1 - weight) * count
    with average.applied():
        assert model.weight.item() == pytest.approx(expected)
    assert model.weight.item() == 3


def test_initializes_the_average_with_the_weights(model):
    average = hooks.MovingAverage(model, decay=0.5)
    nn.init.constant_(model.weight, 7.0)
    run([average], 1)
    assert average.state_dict()["average"]["weight"].item() == 7


def test_writes_the_average_at_the_end(model, tmp_path):
    run([hooks.MovingAverage(model, checkpointer=Checkpointer(model, tmp_path))], 1)
    assert list(torch.load(tmp_path / "model_final_average.pth")["model"]) == ["weight"]


def test_copies_integer_buffers():
    model = nn.BatchNorm1d(1)
    average = hooks.MovingAverage(model)
    model.num_batches_tracked += 5
    run([average], 1)
    assert average.state_dict()["average"]["num_batches_tracked"].item() == 5


def test_rejects_a_decay_of_one(model):
    with pytest.raises(ValueError, match=r"decay must be in \[0, 1\), got 1"):
        hooks.MovingAverage(model, decay=1)
