"""Moving average, early stopping, validation losses and NaN finder."""

import itertools
import math

import pytest
import torch
from tests.engine.toy_recipe import augment, make_dataset
from torch import nn

from detectory.core.checkpoint import Checkpointer
from detectory.core.config import LazyCall
from detectory.core.events import get_event_storage
from detectory.engine import HookBase, SimpleTrainer, TrainerBase, hooks, train, validation_losses


class Idle(TrainerBase):
    def run_step(self):
        self.storage.put_scalar("iteration", self.iter)


class Puts(HookBase):
    def __init__(self, values):
        self.values = values

    def after_step(self):
        get_event_storage().put_scalar("AP", self.values[self.trainer.iter], smoothing_hint=False)


def run(own_hooks, iterations, trainer=None):
    trainer = trainer or Idle()
    trainer.register_hooks(own_hooks)
    trainer.train(0, iterations)
    return trainer


class Counts(HookBase):
    """Sets a model's only weight to the iteration plus one."""

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
    run([Counts(model), average], 3)
    expected = 0.0
    for count in (1, 2, 3):
        stays = min(0.5, (1 + count) / (10 + count))
        expected = stays * expected + (1 - stays) * count
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


@pytest.mark.parametrize(
    ("mode", "values", "stops_after"),
    [
        ("max", [1, 2, 3, 4, 5, 6, 7, 8], None),
        ("max", [1, 5, 4, 4.9, 9, 9, 9, 9], 3),
        ("min", [5, 4, 4, 4, 1, 1, 1, 1], 3),
        ("max", [1, 1.05, 1.1, 9, 9, 9, 9, 9], 2),
    ],
)
def test_stops_without_improvement(mode, values, stops_after):
    trainer = run([Puts(values), hooks.EarlyStopping(1, "AP", patience=2, mode=mode, min_delta=0.1)], 8)
    assert (trainer.iter if trainer.stop_reason else None) == stops_after


def test_early_stopping_resumes_its_count():
    first, second = (hooks.EarlyStopping(1, "AP", patience=3) for _ in range(2))
    run([Puts([3, 1, 1]), first], 3)
    second.load_state_dict(first.state_dict())
    assert run([Puts([2, 2]), second], 2).iter == 0


@pytest.mark.parametrize("arguments", [{"mode": "most"}, {"patience": 0}])
def test_early_stopping_rejects_invalid_arguments(arguments):
    with pytest.raises(ValueError, match="EarlyStopping"):
        hooks.EarlyStopping(1, "AP", **arguments)


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


def make(batches, finder):
    model = Net()
    trainer = SimpleTrainer(model, itertools.cycle(batches), torch.optim.SGD(model.parameters(), lr=0.0))
    trainer.register_hooks([finder])
    return trainer


def test_names_the_first_module_with_a_nan_and_saves_the_batch(tmp_path):
    bad = torch.tensor([[-1.0]])
    with pytest.raises(FloatingPointError, match=r"iteration 1: loss .* is 'root' \(Root\), with finite inputs"):
        make([torch.ones(1, 1), bad], hooks.NaNFinder(tmp_path)).train(0, 3)
    assert torch.equal(torch.load(tmp_path / "nan_iter1.pth"), bad)


def test_reports_a_nan_in_the_data(tmp_path):
    with pytest.raises(FloatingPointError, match=r"'linear' \(Linear\), with non-finite inputs"):
        make([torch.tensor([[math.nan]])], hooks.NaNFinder(tmp_path)).train(0, 1)


def test_reports_a_nan_in_a_parameter(tmp_path):
    trainer = make([torch.ones(1, 1)], hooks.NaNFinder(tmp_path))
    nn.init.constant_(trainer.model.linear.weight, math.nan)
    with pytest.raises(FloatingPointError, match=r"the parameter 'linear.weight' was already not finite"):
        trainer.train(0, 1)


def test_skips_a_limited_number_of_iterations(tmp_path):
    batches = [torch.ones(1, 1), torch.tensor([[-1.0]])]
    with pytest.raises(FloatingPointError, match="iteration 5"):
        make(batches, hooks.NaNFinder(tmp_path, skip=True, max_skips=2)).train(0, 10)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"nan_iter{number}.pth" for number in (1, 3, 5)]


def two_batches():
    return [[augment(sample) for sample in make_dataset()[:4]]] * 2


def test_a_recipe_can_combine_these_hooks(recipe, tmp_path):
    aids = ["+train.moving_average={decay:0.5}", "+train.nan_finder={skip:true}", "train.eval_period=2"]
    stopping = "+train.early_stopping={val_metric:validation/total_loss,mode:min,patience:1,min_delta:100}"
    config = recipe("train.max_iter=20", *aids, stopping, "+train.best_metric=validation/total_loss")
    config.dataloader.validation = LazyCall(two_batches)()
    train(config)
    saved = torch.load(tmp_path / "output" / "model_best.pth")
    assert torch.load(tmp_path / "output" / "model_0000003.pth")["iteration"] == 3
    average = saved["trainer"]["hooks"]["MovingAverage"]["average"]
    assert all(torch.equal(saved["model"][name], tensor) for name, tensor in average.items())
