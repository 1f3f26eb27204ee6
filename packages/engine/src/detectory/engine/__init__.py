"""Trainer, hooks, schedules, launch, predictor, test-time augmentation and tracking."""

from detectory.engine import hooks, tracking
from detectory.engine.distributed import (
    DEFAULT_TIMEOUT,
    ShardedCheckpointer,
    create_ddp_model,
    launch,
    shard_model,
    synchronize_batch_norm,
)
from detectory.engine.inference import (
    DatasetMapperTTA,
    GeneralizedRCNNWithTTA,
    Predictor,
    instances_of,
    trained_classes,
)
from detectory.engine.recipe import (
    Evaluation,
    TrainingInterrupted,
    check_processes,
    claim_run_folder,
    default_writers,
    evaluate,
    scale_to_world_size,
    train_config,
    validation_losses,
)
from detectory.engine.run import Run, train
from detectory.engine.trainers import AMPTrainer, HookBase, SimpleTrainer, TrainerBase

__all__ = [
    "DEFAULT_TIMEOUT",
    "AMPTrainer",
    "DatasetMapperTTA",
    "Evaluation",
    "GeneralizedRCNNWithTTA",
    "HookBase",
    "Predictor",
    "Run",
    "ShardedCheckpointer",
    "SimpleTrainer",
    "TrainerBase",
    "TrainingInterrupted",
    "check_processes",
    "claim_run_folder",
    "create_ddp_model",
    "default_writers",
    "evaluate",
    "hooks",
    "instances_of",
    "launch",
    "scale_to_world_size",
    "shard_model",
    "synchronize_batch_norm",
    "tracking",
    "train",
    "train_config",
    "trained_classes",
    "validation_losses",
]
