"""NaN finder."""

import itertools
import math

import pytest
import torch
from torch import nn

from detectory.engine import SimpleTrainer, hooks


class Root(nn.Module):
    def forward(self, x):
        return x.sqrt()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.root, self.last = nn.Linear(1, 1, bias=False), Root(), nn.Identity()
        nn.init.ones_(self.linear.weight)

    def forward(self, batch):
        return {"loss": self.last(self.root(self.linear(batch))).mean()}


def make_trainer(batches, finder):
    model = Net()
    trainer = SimpleTrainer(model, itertools.cycle(batches), torch.optim.SGD(model.parameters(), lr=0.0))
    trainer.register_hooks([finder])
    return trainer


def test_names_the_first_module_with_a_nan_and_saves_the_batch(tmp_path):
    bad = torch.tensor([[-1.0]])
    with pytest.raises(FloatingPointError, match=r"iteration 1: loss .* is 'root' \(Root\), with finite inputs"):
        make_trainer([torch.ones(1, 1), bad], hooks.NaNFinder(tmp_path)).train(0, 3)
    assert torch.equal(torch.load(tmp_path / "nan_iter1.pth"), bad)


def test_reports_a_nan_in_the_data(tmp_path):
    with pytest.raises(FloatingPointError, match=r"'linear' \(Linear\), with non-finite inputs"):
        make_trainer([torch.tensor([[math.nan]])], hooks.NaNFinder(tmp_path)).train(0, 1)


def test_reports_a_nan_in_a_parameter(tmp_path):
    trainer = make_trainer([torch.ones(1, 1)], hooks.NaNFinder(tmp_path))
    nn.init.constant_(trainer.model.linear.weight, math.nan)
    with pytest.raises(FloatingPointError, match=r"the parameter 'linear.weight' was already not finite"):
        trainer.train(0, 1)


def test_skips_a_limited_number_of_iterations(tmp_path):
    batches = [torch.ones(1, 1), torch.tensor([[-1.0]])]
    with pytest.raises(FloatingPointError, match="iteration 5"):
        make_trainer(batches, hooks.NaNFinder(tmp_path, skip=True, max_skips=2)).train(0, 10)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"nan_iter{iteration}.pth" for iteration in (1, 3, 5)]
