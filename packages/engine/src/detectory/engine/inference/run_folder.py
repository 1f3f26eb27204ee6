"""Models of run folders: weights, test-time resizing, class names and device."""

import importlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from omegaconf import DictConfig
from torch import nn

from detectory.core.checkpoint import CheckpointError, DetectionCheckpointer, find_checkpoint
from detectory.core.checkpoint.search import checkpoint_problem
from detectory.core.config import LazyConfig, instantiate
from detectory.core.devices import usable_device
from detectory.core.storage import read_json
from detectory.data.classes import ClassList
from detectory.data.transforms import Augmentation
from detectory.engine.distributed.sharded_files import (
    find_sharded_checkpoint,
    is_sharded_checkpoint,
    load_sharded_model,
)
from detectory.engine.hooks.headline_metrics import metric_label
from detectory.engine.recipe.datasets import registered_classes
from detectory.engine.recipe.run_folder import BEST_CHECKPOINT, CONFIG_FILE

_logger = logging.getLogger(__name__)
# Reads runs that were trained from a Detectron2 config, in a package that this one does not depend on.
_DETECTRON2_MODULE = "detectory.compat.detectron2.engine.run_folder"


@dataclass(frozen=True)
class TrainedModel:
    """A model with weights, ready for inference.

    Attributes:
        model: The model in evaluation mode, on its device.
        resize: Test-time resizing of the model's config.
        classes: Class names and category ids of the training data, or None if unknown.
        device: Device of the model, e.g. "cuda:0".
    """

    model: nn.Module
    resize: Augmentation
    classes: ClassList | None
    device: str


def load_run(folder: str | Path, *, weights: str | None = None, device: str | None = None) -> TrainedModel:
    """Load the model of a run folder. The dataset of the run is not required.

    Args:
        folder: A run folder of `train`, of `detectory train` or of Detectron2's `DefaultTrainer`.
        weights: A checkpoint; by default the run's best one, see `best_checkpoint`.
        device: By default the config's device, or the CPU if CUDA is unavailable.

    Raises:
        FileNotFoundError: If the folder has no config or no checkpoint.
    """
    path = Path(folder)
    if not (path / CONFIG_FILE).is_file():
        reason = f"{CONFIG_FILE} is missing" if path.is_dir() else "no such folder"
        raise FileNotFoundError(f"{folder}: not a run folder: {reason}")
    if is_detectron2_config(path / CONFIG_FILE):
        return detectron2_run_folder().load_run(path, weights=weights, device=device)
    config = LazyConfig.load(str(path / CONFIG_FILE))
    return build_trained(config, weights or best_checkpoint(path), device)


def detectron2_run_folder() -> Any:
    """Return the module that reads run folders with a Detectron2 config.

    Raises:
        ImportError: If `detectory-compat` is not installed.
    """
    try:
        return importlib.import_module(_DETECTRON2_MODULE)
    except ModuleNotFoundError as error:
        raise ImportError(
            "runs with a Detectron2 config need the compat package: pip install detectory-compat"
        ) from error


def build_trained(config: DictConfig, weights: str, device: str | None = None) -> TrainedModel:
    """Build the model of a recipe and load weights.

    Args:
        config: The recipe.
        weights: A path or URL; `""` for random weights.
        device: By default the recipe's device, or the CPU if CUDA is unavailable.
    """
    chosen = device or str(config.train.device)
    if device is None and chosen.startswith("cuda") and not torch.cuda.is_available():
        chosen = "cpu"
    chosen = str(usable_device(chosen))
    model = instantiate(config.model).to(chosen).eval()
    content = load_weights(model, weights)
    resize = instantiate(config.dataloader.test.mapper.augmentations)[0]
    classes = ClassList.from_state(content.get("classes")) or registered_classes(config)
    return TrainedModel(model, resize, classes, chosen)


def load_weights(model: nn.Module, weights: str) -> dict[str, Any]:
    """Load a checkpoint file, a URL or a folder of `ShardedCheckpointer` into a model.

    Args:
        model: The model.
        weights: The checkpoint; `""` keeps the weights.

    Returns:
        The remaining content of the checkpoint.

    Raises:
        CheckpointError: If no parameter of the checkpoint fits the model.
    """
    if weights and is_sharded_checkpoint(weights):
        return load_sharded_model(model, weights)
    checkpointer = DetectionCheckpointer(model)
    content = checkpointer.load(weights)
    checkpointer.require_loaded(weights)
    return content


def best_checkpoint(run: str | Path) -> str:
    """Return the path of `model_best.pth`, or of a run's newest intact checkpoint if the best model was not saved.

    Raises:
        FileNotFoundError: If the run has not saved a checkpoint.
        CheckpointError: If all checkpoints of the run are damaged.
    """
    best = Path(run) / BEST_CHECKPOINT
    if not best.is_file():
        return last_checkpoint(run)
    problem = checkpoint_problem(best)
    if not problem:
        return str(best)
    _logger.warning("%s: %s %s", run, BEST_CHECKPOINT, problem)
    return last_checkpoint(run)


def describe_checkpoint(path: str) -> str:
    """Return the path of a checkpoint, with the metric that it was selected by if it is the best one of a run.

    Example:
        >>> describe_checkpoint("run/model_final.pth")
        'run/model_final.pth'
    """
    record = Path(path).with_suffix(".json")
    if Path(path).name != BEST_CHECKPOINT or not record.is_file():
        return path
    best = read_json(record)
    try:
        label, value, completed = metric_label(best["metric"]), float(best["value"]), int(best["completed"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return path  # the record is damaged: the weights are used all the same
    return f"{path} (the best {label} of the run, {value:.2f}, after {completed} iterations)"


def last_checkpoint(run: str | Path) -> str:
    """Return the path of a run's newest intact checkpoint, a file or a sharded folder; skipped files are logged.

    Raises:
        FileNotFoundError: If the run has not saved a checkpoint.
        CheckpointError: If all checkpoints of the run are damaged.
    """
    found = find_checkpoint(run)
    if found.path is None and (sharded := find_sharded_checkpoint(run)).path is not None:
        found = sharded
    if found.path is None and not found.skipped:
        raise FileNotFoundError(f"{run}: the run has not saved a checkpoint yet")
    if found.path is None:
        raise CheckpointError(f"{run}: the run has no intact checkpoint: {'; '.join(found.skipped)}")
    for reason in found.skipped:
        _logger.warning("%s: %s", run, reason)
    return str(found.path)


def is_detectron2_config(path: Path) -> bool:
    """Whether a YAML file has the upper-case keys of Detectron2's configs.

    Raises:
        ValueError: If the file is not YAML in UTF-8.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        reason = getattr(error, "problem", None) or str(error)
        raise ValueError(f"{path}: not a YAML file: {place}{reason}") from error
    return isinstance(content, dict) and any(str(key).isupper() for key in content)
