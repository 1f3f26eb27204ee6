"""Trainer, hooks, schedules, launch, predictor, test-time augmentation and tracking."""

from __future__ import annotations

from detectory.engine import hooks, tracking
from detectory.engine.amp_trainer import AMPTrainer
from detectory.engine.launch import DEFAULT_TIMEOUT, create_ddp_model, launch
from detectory.engine.predictor import Predictor, instances_of
from detectory.engine.preflight import check_processes
from detectory.engine.recipe import Evaluation, TrainingInterrupted, train
from detectory.engine.sharded_checkpointer import ShardedCheckpointer
from detectory.engine.sharding import shard_model
from detectory.engine.simple_trainer import SimpleTrainer
from detectory.engine.synchronized_norm import synchronize_batch_norm
from detectory.engine.test_time_augmentation import DatasetMapperTTA, GeneralizedRCNNWithTTA
from detectory.engine.trainer import HookBase, TrainerBase
from detectory.engine.validation_loss import validation_losses
from detectory.engine.world_size import scale_to_world_size
from detectory.engine.writers import default_writers

__all__ = [
    "DEFAULT_TIMEOUT",
    "AMPTrainer",
    "DatasetMapperTTA",
    "Evaluation",
    "GeneralizedRCNNWithTTA",
    "HookBase",
    "Predictor",
    "ShardedCheckpointer",
    "SimpleTrainer",
    "TrainerBase",
    "TrainingInterrupted",
    "check_processes",
    "create_ddp_model",
    "default_writers",
    "hooks",
    "instances_of",
    "launch",
    "scale_to_world_size",
    "shard_model",
    "synchronize_batch_norm",
    "tracking",
    "train",
    "validation_losses",
]
