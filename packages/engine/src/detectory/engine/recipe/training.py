"""Training and evaluation from a recipe: a config that describes model, data, optimizer and schedule."""

import contextlib
import copy
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig

from detectory.core.checkpoint import Checkpointer, DetectionCheckpointer
from detectory.core.config import LazyConfig
from detectory.core.distributed import get_local_size, get_rank, get_world_size, is_main_process
from detectory.core.environment import format_environment
from detectory.core.processor import limit_threads
from detectory.core.seeding import seed_all_rng
from detectory.core.suggestions import nearest
from detectory.data.classes import ClassList
from detectory.engine.distributed.sharded_checkpointer import ShardedCheckpointer
from detectory.engine.hooks import RunRecord, StopOnSignal
from detectory.engine.recipe.building import build_hooks, build_model, build_trainer, is_sharded, max_to_keep, shard
from detectory.engine.recipe.datasets import align_test_classes, dataset_names, fit_keypoints, registered_classes
from detectory.engine.recipe.evaluation import Evaluation
from detectory.engine.recipe.linear_scaling import scale_to_world_size
from detectory.engine.recipe.preflight import check_processes
from detectory.engine.recipe.preparation import load_initial_weights, prepare
from detectory.engine.recipe.run_folder import claim_run_folder, start_run
from detectory.engine.recipe.settings import check_train_settings

_logger = logging.getLogger(__name__)
_PARTS = ("model", "dataloader", "optimizer", "lr_multiplier", "train")


class TrainingInterrupted(SystemExit):
    """The training stopped on a signal, after saving a checkpoint of the last iteration.

    Args:
        signal_number: The signal. The exit code is 128 plus its number.
        checkpoint: The checkpoint, or `""` if none was written.
    """

    def __init__(self, signal_number: int, checkpoint: str = "") -> None:
        super().__init__(128 + signal_number)
        self.checkpoint = checkpoint


def train_config(config: DictConfig, resume: bool = False, *, overwrite: bool = False) -> dict[str, Any]:
    """Train the model of a recipe with evaluation, checkpoints and metric writers.

    `config.train` contains these settings. Periods are numbers of iterations.

    | Setting | Meaning |
    |---|---|
    | `max_iter` | number of iterations |
    | `output_dir` | folder for the log, metrics, checkpoints and `config.yaml` |
    | `init_checkpoint` | path or URL of the initial weights, `""` for none |
    | `init_dataset` | dataset that the initial weights are for; heads are then adapted by the names of the classes |
    | `device` | `cpu`, `cuda` or `cuda:N` |
    | `log_period` | period of the metric writers; default 20 |
    | `eval_period` | period of evaluations; default 0, only at the end |
    | `checkpointer.period`, `.max_to_keep` | period of checkpoints (default 5000), and how many to keep (default all) |
    | `amp.enabled`, `amp.dtype` | mixed precision in `bfloat16` or `float16`; default the fastest without emulation |
    | `accumulation_steps` | batches per iteration; default 1 |
    | `clip_gradients` | arguments of `clip_gradients` |
    | `seed` | random seed, plus the rank; default random |
    | `ddp` | arguments of `create_ddp_model`, such as `find_unused_parameters` or `fp16_compression` |
    | `fsdp` | arguments of `shard_model`, for large backbones; `{}` for the defaults |
    | `sync_batch_norm` | compute batch statistics over all processes |
    | `reference_world_size` | number of processes that the recipe is written for, see `scale_to_world_size` |
    | `moving_average` | arguments of `MovingAverage`; evaluations use the averaged weights |
    | `quantize` | simulate int8 arithmetic in the convolutions, see `simulate_int8`; for export with `dtype="int8"` |
    | `precise_bn.num_iter`, `.period` | batches for `PreciseBN`, and its period; default 200, `eval_period` |
    | `seconds_per_evaluation` | expected duration of an evaluation, for the announced duration |
    | `best_metric` | metric that selects `model_best.pth`, such as `bbox/AP` |
    | `early_stopping` | arguments of `EarlyStopping` |
    | `nan_finder` | arguments of `NaNFinder` |
    | `profile.first`, `.last` | iterations to profile |
    | `writers` | additional event writers |
    | `channels_last` | channels-last memory layout; default on CPUs, where it makes convolutions faster |

    `config.dataloader` contains `train`, optionally `test` with `evaluator`, and optionally `validation`: a finite
    loader of annotated batches whose losses are logged as `validation/…`.

    `output_dir` receives the log, `config.yaml`, `metrics.json`, `run.json` (time, memory and environment), TensorBoard
    files, `model_<iteration>.pth`, `model_best.pth`, `model_final.pth`, and the detections of the last and the best
    evaluation if the evaluator is COCO's. With `fsdp`, the checkpoints are folders written in the background (see
    `ShardedCheckpointer`), and only `model_final.pth` is a file.

    Args:
        config: The recipe; it is not modified.
        resume: Continue from the newest intact checkpoint in `output_dir`, if there is one. On the CPU, the losses are
            bit-identical to those of an uninterrupted training.
        overwrite: Replace an earlier run in `output_dir`.

    Returns:
        The metrics of the last evaluation; empty without an evaluator.

    Raises:
        KeyError: If the recipe lacks a required part.
        ValueError: If a setting is invalid, or model, datasets and evaluation do not fit together.
        RuntimeError: If the device is unavailable, or if the processes differ in versions, config or visible data;
            the message names them.
        FloatingPointError: If a loss is NaN or infinite; the message has the iteration and the losses.
        FileExistsError: If `output_dir` contains a run, and neither `resume` nor `overwrite` is set.
        FolderInUseError: If another process trains in `output_dir`; the message names it.
        CheckpointError: If `output_dir` contains checkpoints but none is intact, or if the checkpoint to resume does
            not fit the model or the optimizer; the message lists the differences.
        OSError: If a checkpoint cannot be written. Earlier checkpoints are unaffected.
        TrainingInterrupted: If SIGTERM or SIGINT (Ctrl-C) was received, after a checkpoint was saved.
    """
    config = _prepared(config, _PARTS)
    with claim_run_folder(config.train.output_dir, resume=resume, overwrite=overwrite):
        return _train(config, resume, overwrite)


def evaluate(config: DictConfig, resume: bool = False) -> dict[str, Any]:
    """Evaluate the model of a recipe. Nothing is written to the run folder.

    Args:
        config: The recipe; it is not modified.
        resume: Evaluate the newest checkpoint in `output_dir` instead of `init_checkpoint`.

    Returns:
        The metrics, in percent, by task and name; empty without an evaluator.

    Raises:
        KeyError: If the recipe lacks a required part.
        ValueError: If a setting is invalid, or the test set has annotations of classes that the model does not have.
        RuntimeError: If the device is unavailable, or if the processes differ.
        CheckpointError: If the checkpoint is damaged.
    """
    config = _prepared(config, ("model", "dataloader", "train"))
    _log_environment(config)
    fit_keypoints(config)
    model = build_model(config)
    evaluation = Evaluation(config, model)
    checkpointer = DetectionCheckpointer(model, config.train.output_dir)
    content = checkpointer.resume_or_load(config.train.init_checkpoint, resume=resume)
    checkpointer.require_loaded(str(config.train.init_checkpoint))
    align_test_classes(config, ClassList.from_state(content.get("classes")) or registered_classes(config))
    return evaluation()


def _train(config: DictConfig, resume: bool, overwrite: bool) -> dict[str, Any]:
    _log_environment(config)
    given = copy.deepcopy(config)
    output_dir = Path(config.train.output_dir)
    sharded = is_sharded(config)
    model, evaluation, classes = prepare(config)
    evaluation.save_detections(output_dir)
    if sharded:
        shard(config, model, evaluation, classes)
    trainer = build_trainer(config, model)
    checkpointables: dict[str, Any] = {"classes": classes} if classes else {}
    checkpointer: Checkpointer = (
        ShardedCheckpointer(trainer, output_dir, max_to_keep=max_to_keep(config), **checkpointables)
        if sharded
        else DetectionCheckpointer(model, output_dir, trainer=trainer, **checkpointables)
    )
    stop = StopOnSignal()
    record = RunRecord(output_dir, config.train.device) if is_main_process() else None
    trainer.register_hooks([*build_hooks(config, model, checkpointer, evaluation), record, stop])
    load_initial_weights(config, checkpointer, classes, "" if sharded else config.train.init_checkpoint, resume=resume)
    if classes is not None:
        cast("Any", model).trained_classes = classes.state_dict()
    start_run(given, overwrite=overwrite)
    with record or contextlib.nullcontext():
        trainer.train(trainer.iter + 1 if checkpointer.resumed_from else 0, config.train.max_iter)
    if stop.received is not None:
        raise TrainingInterrupted(stop.received, checkpointer.get_checkpoint_file())
    return evaluation.results


def _log_environment(config: DictConfig) -> None:
    """Log the environment and seed the random generators."""
    _logger.info("environment:\n%s", format_environment())
    seed = config.train.get("seed")
    _logger.info("random seed: %d", seed_all_rng(None if seed is None else int(seed) + get_rank()))


def _prepared(config: DictConfig, parts: Sequence[str]) -> DictConfig:
    """Return a checked copy of a recipe, scaled to the number of processes."""
    config = copy.deepcopy(config)
    limit_threads(get_local_size())
    for part in parts:
        if part not in config:
            raise KeyError(f"train: missing part '{part}' in the recipe: {nearest(part, [str(key) for key in config])}")
    check_train_settings(config.train)
    config = scale_to_world_size(config, get_world_size())
    check_processes(LazyConfig.to_py(config), dataset_names(config), config.train.device)
    return config
