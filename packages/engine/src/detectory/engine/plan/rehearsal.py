"""A rehearsal of a training: a few iterations, an evaluation of a few images, and a checkpoint written and read."""

import copy
import gc
import itertools
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch import nn

from detectory.core.checkpoint import DetectionCheckpointer, load_checkpoint_file
from detectory.core.config import instantiate
from detectory.core.events import EventStorage
from detectory.engine.plan.quiet import only_errors
from detectory.engine.recipe.building import build_trainer
from detectory.engine.recipe.preparation import load_initial_weights, prepare
from detectory.engine.trainers.random_state import preserved_random_state
from detectory.engine.trainers.simple_trainer import SimpleTrainer
from detectory.evaluation import inference_on_dataset

_MIN_MEASURED, _MAX_MEASURED = 2, 10
_EVALUATED_IMAGES = 2


@dataclass(frozen=True)
class Rehearsal:
    """Measurements of a rehearsal on this machine.

    Attributes:
        seconds_per_iteration: Median duration of an iteration after the first one.
        seconds_per_image: Duration of the evaluation of an image.
        checkpoint_bytes: Size of a checkpoint.
        losses: The losses of the last iteration by name.
    """

    seconds_per_iteration: float
    seconds_per_image: float
    checkpoint_bytes: int
    losses: dict[str, float]


def rehearse(config: DictConfig, folder: str | Path, *, seconds: float = 4.0) -> Rehearsal:
    """Train and evaluate for a moment, and return the durations. The trained weights are discarded.

    Everything that can fail at a later time of the training is done once: the datasets are compared with model and
    evaluation, the initial weights are loaded, and a checkpoint is written to `folder` and read.

    Args:
        config: The recipe.
        folder: An existing folder for the checkpoint, which is deleted.
        seconds: Measured iterations are repeated for this time.

    Raises:
        ValueError: If model, datasets and evaluation do not fit together.
        OSError: If images are missing, or the checkpoint cannot be written.
        CheckpointError: If the initial weights cannot be read.
        FloatingPointError: If a loss is NaN or infinite.
    """
    config = copy.deepcopy(config)
    scratch = Path(tempfile.mkdtemp(prefix="rehearsal-", dir=folder))
    try:
        with preserved_random_state(), only_errors("detectory.evaluation"):  # an untrained model has no predictions
            return _rehearse(config, scratch, seconds)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _rehearse(config: DictConfig, scratch: Path, seconds: float) -> Rehearsal:
    model, _, classes = prepare(config)
    trainer = build_trainer(config, model)
    checkpointables: dict[str, Any] = {"trainer": trainer} | ({"classes": classes} if classes else {})
    checkpointer = DetectionCheckpointer(model, scratch, **checkpointables)
    load_initial_weights(config, checkpointer, classes, str(config.train.init_checkpoint or ""), resume=False)
    per_iteration, losses = measure_iterations(trainer, config.train.device, seconds)
    per_image = _evaluate(model, config)
    path = checkpointer.write("checkpoint", iteration=0)
    size = 0
    if path is not None:
        size = path.stat().st_size
        load_checkpoint_file(str(path))
    return Rehearsal(per_iteration, per_image, size, losses)


def measure_iterations(trainer: SimpleTrainer, device: str, seconds: float = 0.0) -> tuple[float, dict[str, float]]:
    """Run a few iterations with a learning rate of 0.

    Args:
        trainer: The trainer.
        device: Device of the model.
        seconds: The iterations are repeated for this time, but at least 2 and at most 10 are measured after the first
            one, which allocates memory and chooses kernels.

    Returns:
        The median duration of an iteration, and the last losses by name.
    """
    # Without a warm-up, a few iterations with the full learning rate may diverge.
    for group in trainer.optimizer.param_groups:
        group["lr"] = 0.0
    durations: list[float] = []
    with EventStorage() as trainer.storage:
        for trainer.iter in range(_MAX_MEASURED + 1):
            start = time.perf_counter()
            trainer.run_step()
            _synchronize(device)
            durations.append(time.perf_counter() - start)
            if trainer.iter >= _MIN_MEASURED and sum(durations[1:]) > seconds:
                break
        latest = trainer.storage.latest()
    losses = {name: value for name, (value, _) in latest.items() if "loss" in name}
    measured = sorted(durations[1:])
    return measured[len(measured) // 2], losses


def _evaluate(model: nn.Module, config: DictConfig) -> float:
    """Return the seconds per image of an evaluation with data loading; 0 if the recipe has no evaluator."""
    if config.dataloader.get("evaluator") is None:
        return 0.0
    config.dataloader.test.num_workers = 0
    start = time.perf_counter()
    batches = list(itertools.islice(iter(instantiate(config.dataloader.test)), _EVALUATED_IMAGES))
    loading = time.perf_counter() - start
    inference_on_dataset(model, batches[:1], instantiate(config.dataloader.evaluator))
    start = time.perf_counter()
    inference_on_dataset(model, batches, instantiate(config.dataloader.evaluator))
    _synchronize(config.train.device)
    model.train()
    images = max(sum(len(batch) for batch in batches), 1)
    return (loading + time.perf_counter() - start) / images


def _synchronize(device: str) -> None:
    if str(device).startswith("cuda"):
        torch.cuda.synchronize(torch.device(device))
