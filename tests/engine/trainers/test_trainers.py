import itertools
import logging

import pytest
import torch
from torch import nn

from detectory.core.events import get_event_storage
from detectory.engine import AMPTrainer, HookBase, SimpleTrainer, TrainerBase
from detectory.engine.optimizers import clip_gradients


class Recorder(HookBase):
    """Writes down when it is called."""

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
    """One parameter; the loss is its product with the batch."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1.0))

    def forward(self, batch):
        return {"loss_a": self.weight * batch, "loss_b": 0 * self.weight}


def make(batches=(1.0,), kind=SimpleTrainer, lr=0.1, **arguments):
    model = Loss()
    return kind(model, itertools.cycle(batches), torch.optim.SGD(model.parameters(), lr=lr), **arguments)


def test_hooks_run_in_the_documented_order():
    trainer, recorder = make(), Recorder()
    trainer.register_hooks([None, recorder])
    trainer.train(3, 5)
    step = ["before_step {0}", "after_backward", "after_step {0}"]
    steps = [line.format(iteration) for iteration in (3, 4) for line in step]
    assert recorder.calls == ["before_train", *steps, "after_train"]


def test_a_custom_trainer_defines_its_step():
    class Counter(TrainerBase):
        def run_step(self):
            get_event_storage().put_scalar("seen", self.iter)

    trainer = Counter()
    trainer.train(0, 3)
    assert trainer.storage.history("seen").values() == [(0.0, 0), (1.0, 1), (2.0, 2)]
    assert trainer.iter == 3


def test_a_trainer_without_a_step_says_so():
    with pytest.raises(TypeError, match="must define run_step"):
        TrainerBase().train(0, 1)


def test_rejects_hooks_that_are_none():
    with pytest.raises(TypeError, match="expected hooks"):
        make().register_hooks([print])


def test_a_hook_holds_its_trainer_weakly():
    trainer, hook = make(), HookBase()
    trainer.register_hooks([hook])
    del trainer
    with pytest.raises(ReferenceError):
        _ = hook.trainer.iter


def test_losses_are_summed_and_stored():
    trainer = make([2.0])
    trainer.train(0, 2)
    storage = trainer.storage
    assert [value for value, _ in storage.history("total_loss").values()] == pytest.approx([2.0, 1.6])
    assert set(storage.histories()) == {"total_loss", "loss_a", "loss_b", "data_time"}


def test_an_exception_ends_hooks_and_is_logged_with_its_iteration(caplog):
    trainer, recorder = make(), Recorder()
    trainer.register_hooks([recorder])
    trainer.run_step = lambda: 1 // 0
    with pytest.raises(ZeroDivisionError):
        trainer.train(0, 5)
    assert recorder.calls[-1] == "after_train"
    assert "training ends in iteration 0: ZeroDivisionError" in caplog.text


def test_a_nan_names_iteration_and_loss_and_leaves_the_parameters():
    trainer = make([1.0, float("nan")])
    with pytest.raises(FloatingPointError, match=r"iteration 1: loss_a is not finite \(loss_a = nan, loss_b = 0.0\)"):
        trainer.train(0, 5)
    assert trainer.model.weight.item() == pytest.approx(0.9)


def test_a_nan_is_found_when_metrics_are_written_by_a_thread():
    with pytest.raises(FloatingPointError, match="iteration 1: loss_a"):
        make([1.0, float("nan")], async_write_metrics=True).train(0, 5)


def test_metrics_can_be_gathered_rarely():
    trainer = make(gather_metric_period=2)
    trainer.train(0, 4)
    assert [iteration for _, iteration in trainer.storage.history("total_loss").values()] == [1, 3]


def test_accumulated_batches_are_one_batch():
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


def test_a_loader_that_ends_is_told():
    model = Loss()
    trainer = SimpleTrainer(model, [1.0], torch.optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(RuntimeError, match="data_loader ended in iteration 1"):
        trainer.train(0, 2)


def test_a_model_in_evaluation_mode_is_told():
    trainer = make()
    trainer.model.eval()
    with pytest.raises(RuntimeError, match="changed to evaluation mode"):
        trainer.train(0, 1)


def test_the_loader_can_be_replaced():
    trainer = make([1.0])
    trainer.reset_data_loader(lambda: itertools.cycle([5.0]))
    trainer.train(0, 1)
    assert trainer.storage.history("loss_a").latest() == 5.0


@pytest.mark.parametrize("name", ["gather_metric_period", "accumulation_steps"])
def test_rejects_numbers_below_one(name):
    with pytest.raises(ValueError, match="must be positive"):
        make(**{name: 0})


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16], ids=str)
def test_mixed_precision_trains(precision):
    trainer = make([1.0], AMPTrainer, precision=precision)
    trainer.train(0, 1)
    assert trainer.model.weight.item() == pytest.approx(0.9, abs=1e-3)
    assert trainer.model.weight.dtype == torch.float32


def test_a_gradient_that_overflows_shrinks_the_scale_and_skips_the_update():
    trainer = make([1.0, 1e38], AMPTrainer, log_grad_scaler=True)
    trainer.train(0, 2)
    assert trainer.model.weight.item() == pytest.approx(0.9)
    assert trainer.grad_scaler.get_scale() == 2.0**15


def test_clipping_sees_gradients_of_their_true_size():
    trainer = make([4.0], AMPTrainer, lr=1.0)
    clip_gradients(trainer.optimizer, "value", 0.5)
    trainer.train(0, 1)
    assert trainer.model.weight.item() == pytest.approx(0.5)


def test_rejects_other_precisions():
    with pytest.raises(ValueError, match="precision must be"):
        make(kind=AMPTrainer, precision=torch.float64)


def test_the_state_of_hooks_is_kept_by_the_name_of_their_class():
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


def test_the_state_of_a_hook_that_is_gone_is_told(caplog):
    trainer = make()
    trainer.load_state_dict(trainer.state_dict() | {"hooks": {"Gone": {}}})
    assert "states of hooks that this training does not have: ['Gone']" in caplog.text


def test_the_state_of_more_processes_is_told(caplog):
    trainer = make()
    state = trainer.state_dict()
    trainer.load_state_dict(state | {"ranks": state["ranks"] * 2})
    assert "the checkpoint is of 2 processes, this training has 1" in caplog.text
