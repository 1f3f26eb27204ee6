import itertools
import logging

import pytest
import torch
from torch import nn

from detectory.core.events import get_event_storage
from detectory.engine import AMPTrainer, HookBase, SimpleTrainer, TrainerBase
from detectory.engine.optimizers import clip_gradients


class Recorder(HookBase):
    """Records its calls."""

    def __init__(self):
        self.calls = []

    def before_train(self):
        self.calls.append("before_train")

    def after_train(self):
        self.calls.append("after_train")

    def before_step(self):
        self.calls.append(f"before_step {self.trainer.iter}")

    def after_backward(self):
        self.calls.append("after_backward")

    def after_step(self):
        self.calls.append(f"after_step {self.trainer.iter}")


class Loss(nn.Module):
    """A model with one parameter; the loss is its product with the batch."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1.0))

    def forward(self, batch):
        return {"loss_a": self.weight * batch, "loss_b": 0 * self.weight}


def make(batches=(1.0,), trainer_class=SimpleTrainer, lr=0.1, **arguments):
    model = Loss()
    return trainer_class(model, itertools.cycle(batches), torch.optim.SGD(model.parameters(), lr=lr), **arguments)


def test_hooks_run_in_the_documented_order():
    trainer, recorder = make(), Recorder()
    trainer.register_hooks([None, recorder])
    trainer.train(3, 5)
    step = ["before_step {0}", "after_backward", "after_step {0}"]
    steps = [line.format(iteration) for iteration in (3, 4) for line in step]
    assert recorder.calls == ["before_train", *steps, "after_train"]


def test_a_subclass_implements_run_step():
    class Counter(TrainerBase):
        def run_step(self):
            get_event_storage().put_scalar("seen", self.iter)

    trainer = Counter()
    trainer.train(0, 3)
    assert trainer.storage.history("seen").values() == [(0.0, 0), (1.0, 1), (2.0, 2)]
    assert trainer.iter == 3


def test_rejects_a_trainer_without_run_step():
    with pytest.raises(TypeError, match="must implement run_step"):
        TrainerBase().train(0, 1)


def test_rejects_other_objects_as_hooks():
    with pytest.raises(TypeError, match="hooks must be HookBase"):
        make().register_hooks([print])


def test_a_hook_references_its_trainer_weakly():
    trainer, hook = make(), HookBase()
    trainer.register_hooks([hook])
    del trainer
    with pytest.raises(ReferenceError):
        _ = hook.trainer.iter


def test_sums_and_logs_losses():
    trainer = make([2.0])
    trainer.train(0, 2)
    storage = trainer.storage
    assert [value for value, _ in storage.history("total_loss").values()] == pytest.approx([2.0, 1.6])
    assert set(storage.histories()) == {"total_loss", "loss_a", "loss_b", "data_time"}


def test_an_exception_runs_after_train_and_is_logged(caplog):
    trainer, recorder = make(), Recorder()
    trainer.register_hooks([recorder])
    trainer.run_step = lambda: 1 // 0
    with pytest.raises(ZeroDivisionError):
        trainer.train(0, 5)
    assert recorder.calls[-1] == "after_train"
    assert "training failed at iteration 0: ZeroDivisionError" in caplog.text


def test_a_nan_is_reported_and_leaves_the_parameters_unchanged():
    trainer = make([1.0, float("nan")])
    with pytest.raises(FloatingPointError, match=r"iteration 1: loss_a is not finite \(loss_a = nan, loss_b = 0.0\)"):
        trainer.train(0, 5)
    assert trainer.model.weight.item() == pytest.approx(0.9)


def test_a_nan_is_reported_with_asynchronous_metrics():
    with pytest.raises(FloatingPointError, match="iteration 1: loss_a"):
        make([1.0, float("nan")], async_write_metrics=True).train(0, 5)


def test_gathers_metrics_every_period():
    trainer = make(gather_metric_period=2)
    trainer.train(0, 4)
    assert [iteration for _, iteration in trainer.storage.history("total_loss").values()] == [1, 3]


def test_accumulated_batches_equal_one_batch():
    trainer = make([1.0, 3.0], accumulation_steps=2)
    trainer.train(0, 1)
    assert trainer.model.weight.item() == pytest.approx(1 - 0.1 * 2)
    assert trainer.storage.history("loss_a").latest() == 2.0


@pytest.mark.parametrize("first", [True, False])
def test_gradients_are_cleared_before_or_after_the_forward_pass(first):
    trainer = make(zero_grad_before_forward=first)
    trainer.train(0, 2)
    assert trainer.model.weight.item() == pytest.approx(0.8)


def test_a_hook_can_stop_the_training(caplog):
    trainer = make()
    trainer.register_hooks([hook := HookBase()])
    hook.after_step = lambda: hook.trainer.stop("it is enough")
    with caplog.at_level(logging.INFO):
        trainer.train(0, 5)
    assert (trainer.iter, trainer.stop_reason) == (0, "it is enough")


def test_rejects_a_finite_loader():
    model = Loss()
    trainer = SimpleTrainer(model, [1.0], torch.optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(RuntimeError, match="data_loader ended at iteration 1"):
        trainer.train(0, 2)


def test_rejects_a_model_in_evaluation_mode():
    trainer = make()
    trainer.model.eval()
    with pytest.raises(RuntimeError, match="changed to evaluation mode"):
        trainer.train(0, 1)


def test_replaces_the_loader():
    trainer = make([1.0])
    trainer.reset_data_loader(lambda: itertools.cycle([5.0]))
    trainer.train(0, 1)
    assert trainer.storage.history("loss_a").latest() == 5.0


@pytest.mark.parametrize("name", ["gather_metric_period", "accumulation_steps"])
def test_rejects_non_positive_arguments(name):
    with pytest.raises(ValueError, match="must be positive"):
        make(**{name: 0})


@pytest.mark.filterwarnings("ignore:.*emulates")
@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16, None], ids=str)
def test_mixed_precision_trains(precision):
    trainer = make([1.0], AMPTrainer, precision=precision)
    trainer.train(0, 1)
    assert trainer.model.weight.item() == pytest.approx(0.9, abs=1e-3)
    assert trainer.model.weight.dtype == torch.float32


@pytest.mark.filterwarnings("ignore:.*emulates float16")
def test_an_overflow_reduces_the_scale_and_skips_the_update():
    trainer = make([1.0, 1e38], AMPTrainer, log_grad_scaler=True, precision=torch.float16)
    trainer.train(0, 2)
    assert trainer.model.weight.item() == pytest.approx(0.9)
    assert trainer.grad_scaler.get_scale() == 2.0**15


def test_clips_unscaled_gradients():
    trainer = make([4.0], AMPTrainer, lr=1.0)
    clip_gradients(trainer.optimizer, "value", 0.5)
    trainer.train(0, 1)
    assert trainer.model.weight.item() == pytest.approx(0.5)


def test_rejects_other_precisions():
    with pytest.raises(ValueError, match="precision must be"):
        make(trainer_class=AMPTrainer, precision=torch.float64)


def test_saves_hook_states_by_class_name():
    class Counter(HookBase):
        count = 0

        def state_dict(self):
            return {"count": self.count}

        def load_state_dict(self, state):
            self.count = state["count"]

    trainers = [make(), make()]
    hooks = [[Counter(), Counter()], [Counter(), Counter()]]
    for trainer, own in zip(trainers, hooks, strict=True):
        trainer.register_hooks(own)
    hooks[0][0].count, hooks[0][1].count = 3, 4
    trainers[1].load_state_dict(trainers[0].state_dict())
    assert [hook.count for hook in hooks[1]] == [3, 4]


def test_warns_about_the_state_of_a_missing_hook(caplog):
    trainer = make()
    trainer.load_state_dict(trainer.state_dict() | {"hooks": {"Gone": {}}})
    assert "states of hooks that are not registered: ['Gone']" in caplog.text


def test_warns_about_a_changed_number_of_processes(caplog):
    trainer = make()
    state = trainer.state_dict()
    trainer.load_state_dict(state | {"ranks": state["ranks"] * 2})
    assert "the checkpoint was saved by 2 processes, but 1 are running" in caplog.text
