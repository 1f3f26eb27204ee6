"""Training and evaluation of a recipe: settings, preflight checks, default writers and validation losses."""

from detectory.engine.recipe.evaluation import Evaluation
from detectory.engine.recipe.linear_scaling import scale_to_world_size
from detectory.engine.recipe.preflight import check_processes
from detectory.engine.recipe.run_folder import claim_run_folder
from detectory.engine.recipe.training import TrainingInterrupted, evaluate, train_config
from detectory.engine.recipe.validation_loss import validation_losses
from detectory.engine.recipe.writers import default_writers

__all__ = [
    "Evaluation",
    "TrainingInterrupted",
    "check_processes",
    "claim_run_folder",
    "default_writers",
    "evaluate",
    "scale_to_world_size",
    "train_config",
    "validation_losses",
]
