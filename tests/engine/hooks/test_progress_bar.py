"""Progress bar hook."""

import io

import torch
from rich.console import Console
from tests.engine.hooks.idle_trainer import run
from torch import nn

from detectory.engine import SimpleTrainer, hooks
from detectory.engine.schedules import LinearParamScheduler


def test_progress_bar_shows_losses_learning_rate_and_eta(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    trainer = SimpleTrainer(model, iter(lambda: torch.ones(1, 1), None), optimizer)
    output = io.StringIO()
    bar = hooks.ProgressBar(Console(file=output, force_terminal=True, width=120))
    run([hooks.IterationTimer(0), hooks.LRScheduler(scheduler=LinearParamScheduler(1, 1)), bar], 3, trainer=trainer)
    assert "total_loss" in output.getvalue()
    assert "lr 0.5" in output.getvalue()


def test_progress_bar_is_disabled_without_a_terminal():
    output = io.StringIO()
    run([hooks.ProgressBar(Console(file=output))], 2)
    assert output.getvalue() == ""
