"""Progress bar hook."""

import io

import pytest
import torch
from rich.console import Console
from tests.engine.hooks.idle_trainer import LogValues, run
from torch import nn

from detectory.engine import SimpleTrainer, hooks
from detectory.engine.hooks import progress_bar
from detectory.engine.schedules import LinearParamScheduler

AP_SO_FAR = [(1, 10.0, 10.0), (2, 30.0, 30.0), (3, 20.0, 30.0)]


def test_progress_bar_shows_losses_learning_rate_and_eta(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    trainer = SimpleTrainer(model, iter(lambda: torch.ones(1, 1), None), optimizer)
    output = io.StringIO()
    bar = hooks.ProgressBar(Console(file=output, force_terminal=True, width=120))
    run([hooks.IterationTimer(0), hooks.LRScheduler(scheduler=LinearParamScheduler(1, 1)), bar], 3, trainer=trainer)
    assert "loss 0" in output.getvalue()
    assert "lr 0.5" in output.getvalue()


def test_progress_bar_is_disabled_without_a_terminal():
    output = io.StringIO()
    run([hooks.ProgressBar(Console(file=output))], 2)
    assert output.getvalue() == ""


@pytest.mark.parametrize("is_visible", [True, False])
def test_lines_are_printed_without_a_terminal_unless_the_log_is_visible(monkeypatch, capsys, is_visible):
    monkeypatch.setattr(progress_bar, "_SECONDS_BETWEEN_LINES", (0.0, 0.0))
    monkeypatch.setattr(progress_bar, "is_log_visible", lambda _: is_visible)
    metric = LogValues("bbox/AP", [10.0, 30.0, 20.0])
    run([metric, hooks.ProgressBar(Console(file=io.StringIO()))], 3)
    lines = capsys.readouterr().out.splitlines()
    assert lines == ([] if is_visible else [f"{n}/3  box AP {ap} (best {best})" for n, ap, best in AP_SO_FAR])
