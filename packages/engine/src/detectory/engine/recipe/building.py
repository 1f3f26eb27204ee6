"""The parts of a training, built from a recipe: model, trainer, sharding and hooks."""

import copy
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch import nn
from torch.distributed.fsdp import FSDPModule

from detectory.core.checkpoint import Checkpointer, DetectionCheckpointer
from detectory.core.config import instantiate
from detectory.core.distributed import get_world_size, is_main_process
from detectory.core.precision import resolve_precision
from detectory.data.classes import ClassList
from detectory.engine.distributed.ddp import create_ddp_model
from detectory.engine.distributed.fsdp import gather_into, shard_model
from detectory.engine.distributed.sharded_checkpointer import ShardedCheckpointer
from detectory.engine.distributed.sync_batch_norm import synchronize_batch_norm
from detectory.engine.hooks import (
    BestCheckpointer,
    EarlyStopping,
    EvalHook,
    EvaluationSummary,
    ExpectedDuration,
    IterationTimer,
    LRScheduler,
    MovingAverage,
    NaNFinder,
    PeriodicCheckpointer,
    PeriodicWriter,
    PreciseBN,
    ProgressBar,
    TorchProfiler,
)
from detectory.engine.optimizers import clip_gradients
from detectory.engine.recipe.evaluation import Evaluation
from detectory.engine.recipe.head_adaptation import head_adaptation
from detectory.engine.recipe.writers import default_writers
from detectory.engine.trainers.amp_trainer import AMPTrainer
from detectory.engine.trainers.simple_trainer import SimpleTrainer
from detectory.engine.trainers.training_loop import HookBase
from detectory.modeling.simulated_int8 import simulate_int8

_logger = logging.getLogger(__name__)


def is_sharded(config: DictConfig) -> bool:
    """Return whether a recipe shards its model, and raise an error for settings that cannot be combined with it."""
    if config.train.get("fsdp") is None or get_world_size() == 1:
        return False
    for other in ("moving_average", "best_metric", "nan_finder", "precise_bn", "sync_batch_norm"):
        if config.train.get(other) not in (None, False):
            raise ValueError(f"train: train.{other} cannot be combined with train.fsdp")
    return True


def shard(config: DictConfig, model: nn.Module, evaluation: Evaluation, classes: ClassList | None) -> None:
    """Load `init_checkpoint` with heads for the classes, and shard the model. Evaluations get a complete copy."""
    checkpointer = DetectionCheckpointer(model)
    checkpointer.adapt = head_adaptation(config, model, classes)
    checkpointer.load(config.train.init_checkpoint)
    checkpointer.require_loaded(str(config.train.init_checkpoint or ""))
    options = dict(config.train.fsdp)
    if "param_dtype" in options:
        device = next(model.parameters()).device
        options["param_dtype"] = resolve_precision(options["param_dtype"], device, "train.fsdp.param_dtype")
    shard_model(model, **options)
    evaluation.whole_model = lambda: gather_into(model, build_model(config, for_sharding=True))


def build_model(config: DictConfig, for_sharding: bool = False) -> nn.Module:
    """Return the model of a recipe on its device and in its memory layout."""
    model = instantiate(config.model)
    device = torch.device(config.train.device)
    if device.type == "cuda" and get_world_size() > 1:
        device = torch.device("cuda", torch.cuda.current_device())
    model.to(device)
    # FSDP requires contiguous parameters.
    if not for_sharding and config.train.get("channels_last", device.type == "cpu"):
        model.to(memory_format=torch.channels_last)
    if config.train.get("sync_batch_norm", False) and get_world_size() > 1:
        model = synchronize_batch_norm(model)
    if config.train.get("quantize", False):
        simulate_int8(model)
    return model


def build_trainer(config: DictConfig, model: nn.Module) -> SimpleTrainer:
    """Return the trainer of a recipe, with loader, optimizer and precision."""
    options = config.train
    optimizer_config = copy.deepcopy(config.optimizer)
    optimizer_config.params.model = model
    optimizer = instantiate(optimizer_config)
    if options.get("clip_gradients"):
        clip_gradients(optimizer, **options.clip_gradients)
    loader = instantiate(config.dataloader.train)
    parallel = model if isinstance(model, FSDPModule) else create_ddp_model(model, **options.get("ddp", {}))
    accumulation = options.get("accumulation_steps", 1)
    amp: Mapping[str, Any] = options.get("amp", {})
    if not amp.get("enabled", False):
        return SimpleTrainer(parallel, loader, optimizer, accumulation_steps=accumulation)
    precision = resolve_precision(amp.get("dtype"), next(model.parameters()).device, "train.amp.dtype")
    _logger.info("mixed precision: %s", str(precision).removeprefix("torch."))
    return AMPTrainer(parallel, loader, optimizer, precision=precision, accumulation_steps=accumulation)


def build_hooks(
    config: DictConfig, model: nn.Module, checkpointer: Checkpointer, evaluation: Evaluation
) -> list[HookBase | None]:
    """Return the hooks of a training in the order in which they run."""
    options = config.train
    period = options.get("eval_period", 0)
    best_metric = options.get("best_metric")
    average = None
    if options.get("moving_average"):
        average = MovingAverage(model, checkpointer=checkpointer, **options.moving_average)
        evaluation.weights = average.applied
    best = None
    if best_metric and is_main_process():
        best = BestCheckpointer(
            period, checkpointer, best_metric, weights=evaluation.weights, on_best=evaluation.keep_best
        )
    # Hooks run in this order. Weights change first (schedule, average, batch statistics), then they are saved,
    # then evaluated; hooks that read a metric follow the evaluation, and the writers come last to log everything.
    return [
        IterationTimer(),
        _expected_duration(options) if is_main_process() else None,
        NaNFinder(options.output_dir, **options.nan_finder) if options.get("nan_finder") is not None else None,
        LRScheduler(scheduler=instantiate(config.lr_multiplier)),
        average,
        _precise_bn(config, model),
        _periodic_checkpointer(options, checkpointer),
        EvalHook(period, evaluation.validate) if "validation" in config.dataloader else None,
        EvalHook(period, evaluation),
        best,
        EvaluationSummary(best_metric),
        EarlyStopping(period, **options.early_stopping) if options.get("early_stopping") else None,
        _profiler(options),
        *_build_writers(options),
    ]


def _expected_duration(options: DictConfig) -> ExpectedDuration:
    return ExpectedDuration(
        eval_period=max(options.get("eval_period", 0), 0),
        seconds_per_evaluation=options.get("seconds_per_evaluation", 0.0),
    )


def _periodic_checkpointer(options: DictConfig, checkpointer: Checkpointer) -> PeriodicCheckpointer:
    arguments = dict(options.get("checkpointer", {"period": 5000}))
    if isinstance(checkpointer, ShardedCheckpointer):
        # ShardedCheckpointer removes old folders itself, once a new one is complete.
        arguments.pop("max_to_keep", None)
    return PeriodicCheckpointer(checkpointer, **arguments)


def max_to_keep(config: DictConfig) -> int | None:
    """Return the number of checkpoints to keep, or None for all."""
    return config.train.get("checkpointer", {}).get("max_to_keep")


def _precise_bn(config: DictConfig, model: nn.Module) -> PreciseBN | None:
    options = config.train.get("precise_bn")
    if not options:
        return None
    return PreciseBN(
        options.get("period", config.train.get("eval_period", 0)),
        model,
        instantiate(config.dataloader.train),
        options.get("num_iter", 200),
    )


def _profiler(options: DictConfig) -> TorchProfiler | None:
    if not options.get("profile"):
        return None
    first, last = options.profile.first, options.profile.last
    return TorchProfiler(
        lambda trainer: first <= trainer.iter <= last, Path(options.output_dir) / "profile", save_tensorboard=False
    )


def _build_writers(options: DictConfig) -> list[HookBase]:
    if not is_main_process():
        return []
    writers = default_writers(options.output_dir, options.max_iter)
    writers += [instantiate(writer) for writer in options.get("writers", [])]
    writer = PeriodicWriter(writers, options.get("log_period", 20), eval_period=options.get("eval_period", 0))
    return [writer, ProgressBar()]
