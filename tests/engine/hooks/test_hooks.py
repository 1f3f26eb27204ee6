import io
import json
import logging

import pytest
import torch
from rich.console import Console
from torch import nn

from detectory.core.checkpoint import Checkpointer
from detectory.core.events import EventWriter, get_event_storage
from detectory.engine import AMPTrainer, HookBase, SimpleTrainer, TrainerBase, hooks
from detectory.engine.hooks.precise_batch_norm import get_bn_modules, update_bn_stats
from detectory.engine.schedules import LinearParamScheduler


class Idle(TrainerBase):
    """A trainer whose step draws a random number."""

    def run_step(self):
        get_event_storage().put_scalar("draw", torch.rand(()))


class Scores(HookBase):
    """Logs a score, like an evaluation."""

    def __init__(self, scores):
        self.scores = scores

    def after_step(self):
        get_event_storage().put_scalar("score", self.scores[self.trainer.iter], smoothing_hint=False)


def run(own_hooks, iterations, start=0, trainer=None):
    trainer = trainer or Idle()
    trainer.register_hooks(own_hooks)
    trainer.train(start, iterations)
    return trainer


def test_calls_callbacks_with_the_trainer():
    calls = []
    names = ("before_train", "after_train", "before_step", "after_step")
    run([hooks.CallbackHook(**{name: lambda trainer, name=name: calls.append(name) for name in names})], 1)
    assert calls == ["before_train", "before_step", "after_step", "after_train"]


def test_timer_ignores_the_warm_up(caplog):
    with caplog.at_level(logging.INFO):
        trainer = run([hooks.IterationTimer(warmup_iter=2)], 5)
    assert [iteration for _, iteration in trainer.storage.history("time").values()] == [2, 3, 4]
    assert "3 iterations took" in caplog.text


def test_writes_periodically_and_at_the_end():
    class Writer(EventWriter):
        calls = ()

        def write(self):
            self.calls += (get_event_storage().iter,)

        def close(self):
            self.calls += ("closed",)

    writer = Writer()
    run([hooks.PeriodicWriter([writer], period=2)], 5)
    assert writer.calls == (1, 3, 4, 5, "closed")


def test_writer_hook_rejects_other_objects():
    with pytest.raises(TypeError, match="writers must be EventWriter"):
        hooks.PeriodicWriter([print])


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


def test_evaluates_periodically_and_once_at_the_end():
    calls = []
    hook = hooks.EvalHook(2, lambda: calls.append(get_event_storage().iter) or {"bbox": {"AP": 1, "AP50": 2.0}})
    trainer = run([hook], 4)
    assert calls == [1, 4]
    assert trainer.storage.latest()["bbox/AP50"] == (2.0, 4)


def test_evaluation_preserves_the_random_state():
    draws = []
    for period in (0, 1):
        torch.manual_seed(0)
        trainer = run([hooks.EvalHook(period, lambda: {"x": torch.rand(()).item()})], 4)
        draws.append(trainer.storage.history("draw").values())
    assert draws[0] == draws[1]


def test_evaluation_rejects_non_numeric_metrics():
    with pytest.raises(ValueError, match="metric 'bbox/AP' must be a number, got 'high'"):
        run([hooks.EvalHook(1, lambda: {"bbox": {"AP": "high"}})], 2)


def test_does_not_evaluate_an_interrupted_training():
    calls = []
    with pytest.raises(ZeroDivisionError):
        run([hooks.EvalHook(0, lambda: calls.append(1)), hooks.CallbackHook(after_step=lambda _: 1 // 0)], 2)
    assert calls == []


@pytest.mark.parametrize(("mode", "best"), [("max", 3), ("min", 1)])
def test_keeps_the_best_checkpoint(tmp_path, mode, best):
    checkpointer = Checkpointer(nn.Linear(1, 1), tmp_path)
    run([Scores([2.0, 1.0, float("nan"), 5.0, 5.0]), hooks.BestCheckpointer(1, checkpointer, "score", mode)], 5)
    assert torch.load(tmp_path / "model_best.pth")["iteration"] == best
    assert json.loads((tmp_path / "model_best.json").read_text())["iteration"] == best
    assert not checkpointer.has_checkpoint()


def test_a_resumed_training_restores_the_best_value(tmp_path):
    checkpointer = Checkpointer(nn.Linear(1, 1), tmp_path)
    scores = [3.0, 1.0, 2.0, 2.0]
    run([Scores(scores), hooks.BestCheckpointer(1, checkpointer, "score")], 2)
    run([Scores(scores), hooks.BestCheckpointer(1, checkpointer, "score")], 4, start=2)
    assert torch.load(tmp_path / "model_best.pth")["iteration"] == 0


def test_warns_about_a_missing_metric(tmp_path, caplog):
    run([hooks.BestCheckpointer(1, Checkpointer(nn.Linear(1, 1), tmp_path), "score")], 2)
    assert "no metric 'score' in the storage" in caplog.text


def test_best_checkpointer_rejects_other_modes(tmp_path):
    with pytest.raises(ValueError, match="mode must be 'max' or 'min'"):
        hooks.BestCheckpointer(1, Checkpointer(nn.Linear(1, 1)), "score", "most")


def test_saves_periodically_at_the_end_and_when_stopped(tmp_path):
    checkpointer = Checkpointer(nn.Linear(1, 1), tmp_path)
    run([hooks.PeriodicCheckpointer(checkpointer, 2)], 3)
    assert sorted(path.name for path in tmp_path.glob("*.pth")) == ["model_0000001.pth", "model_final.pth"]
    stop = hooks.CallbackHook(after_step=lambda trainer: trainer.stop("enough"))
    run([hooks.PeriodicCheckpointer(checkpointer, 100), stop], 50, start=10)
    assert checkpointer.get_checkpoint_file().endswith("model_0000010.pth")


def test_precise_statistics_equal_those_of_all_batches_combined():
    batches = torch.randn(4, 8, 3)
    model = nn.BatchNorm1d(3)
    update_bn_stats(model, iter(batches), num_iters=4)
    joint = batches.reshape(-1, 3)
    assert torch.allclose(model.running_mean, joint.mean(0), atol=1e-6)
    assert torch.allclose(model.running_var, joint.var(0, correction=0), atol=1e-6)
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


@pytest.mark.parametrize("profiler", [hooks.TorchProfiler, hooks.AutogradProfiler])
def test_profilers_save_the_selected_iteration(tmp_path, profiler):
    extra = {"save_tensorboard": False} if profiler is hooks.TorchProfiler else {"use_cuda": False}
    run([profiler(lambda trainer: trainer.iter == 1, tmp_path, **extra)], 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["profiler_iter1.json", "profiler_iter1.txt"]
    assert "aten::rand" in (tmp_path / "profiler_iter1.txt").read_text()


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
