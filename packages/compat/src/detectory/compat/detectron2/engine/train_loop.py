"""Trainers that do not need a config, under Detectron2's module path."""

from detectory.engine import AMPTrainer, HookBase, SimpleTrainer, TrainerBase

__all__ = ["AMPTrainer", "HookBase", "SimpleTrainer", "TrainerBase"]
