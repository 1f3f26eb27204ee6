"""A trainer without a model and helpers that run hooks on it."""

import torch

from detectory.core.events import get_event_storage
from detectory.engine import HookBase, TrainerBase


class IdleTrainer(TrainerBase):
    """A trainer that only draws a random number per iteration."""

    def run_step(self):
        get_event_storage().put_scalar("draw", torch.rand(()))


class LogValues(HookBase):
    """Logs one value of a metric per iteration, like an evaluation."""

    def __init__(self, name, values):
        self.name, self.values = name, values

    def after_step(self):
        get_event_storage().put_scalar(self.name, self.values[self.trainer.iter], smoothing_hint=False)


def run(hook_list, iterations, start=0, trainer=None):
    """Train from iteration `start` to `iterations` with the hooks and return the trainer."""
    trainer = trainer or IdleTrainer()
    trainer.register_hooks(hook_list)
    trainer.train(start, iterations)
    return trainer
