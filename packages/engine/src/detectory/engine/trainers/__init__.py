"""Training loop, hook interface, and trainers in full and mixed precision."""

from detectory.engine.trainers.amp_trainer import AMPTrainer
from detectory.engine.trainers.simple_trainer import SimpleTrainer
from detectory.engine.trainers.training_loop import HookBase, TrainerBase

__all__ = [
    "AMPTrainer",
    "HookBase",
    "SimpleTrainer",
    "TrainerBase",
]
