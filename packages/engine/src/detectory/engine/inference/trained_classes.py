"""Classes of models, predictors, run folders and checkpoints: names and original category ids."""

import os
from pathlib import Path
from typing import Any

from torch import nn

from detectory.core.checkpoint import load_checkpoint_file, unwrap
from detectory.core.config import LazyConfig
from detectory.core.storage import local_path
from detectory.data.classes import ClassList
from detectory.engine.distributed.sharded_files import REST, is_sharded_checkpoint
from detectory.engine.inference.predictor import Predictor
from detectory.engine.inference.run_folder import (
    TrainedModel,
    detectron2_run_folder,
    is_detectron2_config,
    last_checkpoint,
)
from detectory.engine.recipe.datasets import registered_classes
from detectory.engine.recipe.run_folder import CONFIG_FILE


def trained_classes(source: "nn.Module | Predictor | TrainedModel | str | os.PathLike[str]") -> ClassList | None:
    """Return the names and original category ids of the classes that a model was trained on.

    Args:
        source: A model that was trained or loaded from a checkpoint; a predictor; a run folder; or a checkpoint: a
            file, a folder of `ShardedCheckpointer`, or a URL.

    Returns:
        The classes, or None if they are not stored, as in most published checkpoints.

    Raises:
        FileNotFoundError: If a path does not exist, or a folder is neither a run nor a checkpoint.
        CheckpointError: If a checkpoint is corrupt.

    Example:
        >>> trained_classes("run").names  # doctest: +SKIP
        ('mug', 'pen')
    """
    if isinstance(source, (Predictor, TrainedModel)):
        return source.classes or trained_classes(source.model)
    if isinstance(source, nn.Module):
        return ClassList.from_state(getattr(unwrap(source), "trained_classes", None))
    path = Path(local_path(source))
    if is_sharded_checkpoint(path):
        return ClassList.from_state(load_checkpoint_file(path / REST)["model"].get("classes"))
    if not path.is_dir():
        return ClassList.from_state(load_checkpoint_file(path).get("classes"))
    return trained_classes(last_checkpoint(path)) or _config_classes(path / CONFIG_FILE)


def _config_classes(config_file: Path) -> ClassList | None:
    if not config_file.is_file():
        return None
    if is_detectron2_config(config_file):
        loader: Any = detectron2_run_folder()
        return loader.config_classes(loader.run_config(config_file.parent))
    return registered_classes(LazyConfig.load(str(config_file)))
