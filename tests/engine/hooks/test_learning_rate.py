"""Learning rate scheduler hook."""

import pytest
import torch
from tests.engine.hooks.idle_trainer import run
from torch import nn

from detectory.engine import AMPTrainer, hooks
from detectory.engine.schedules import LinearParamScheduler


@pytest.fixture
def optimizer():
    groups = [
        {"params": [nn.Parameter(torch.zeros(1))], "lr": 5.0},
        {"params": [nn.Parameter(torch.zeros(1)) for _ in range(2)], "lr": 1.0},
    ]
    return torch.optim.SGD(groups, lr=1.0)


def test_logs_the_learning_rate_of_the_largest_group(optimizer):
    trainer = run([hooks.LRScheduler(optimizer, LinearParamScheduler(1.0, 0.0))], 4)
    assert [rate for rate, _ in trainer.storage.history("lr").values()] == [1.0, 0.75, 0.5, 0.25]


def test_logs_the_most_common_learning_rate_of_single_parameter_groups():
    groups = [{"params": [nn.Parameter(torch.zeros(1))], "lr": rate} for rate in (1.0, 2.0, 2.0)]
    assert hooks.LRScheduler.get_best_param_group_id(torch.optim.SGD(groups, lr=1.0)) == 1


def test_saves_a_torch_scheduler(optimizer):
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    hook = hooks.LRScheduler(optimizer, scheduler)
    run([hook], 3)
    assert hook.state_dict()["last_epoch"] == 3
    other = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    hooks.LRScheduler(optimizer, other).load_state_dict(hook.state_dict())
    assert other.last_epoch == 3


@pytest.mark.filterwarnings("ignore:.*emulates float16")
@pytest.mark.filterwarnings("error")
def test_does_not_warn_if_the_scaler_skips_the_first_update():
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    data = iter(lambda: torch.full((1, 1), 1e38), None)
    trainer = AMPTrainer(model, data, optimizer, precision=torch.float16)
    trainer.compute_losses = lambda batch: {"loss": model(batch).sum()}
    torch_schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    run([hooks.LRScheduler(optimizer, torch_schedule)], 2, trainer=trainer)
    assert optimizer.param_groups[0]["lr"] == 0.25
