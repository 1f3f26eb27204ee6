"""The training part of a recipe: how long, how often, from which weights, with which optimizer and schedule.

The targets of the engine are named by dotted path, so that a model can be built where the engine is not installed.
"""

import torch
from omegaconf import DictConfig

from detectory.core.config import LazyCall

COCO_1X_ITERATIONS = 90_000
_PARAMETER_GROUPS = "detectory.engine.optimizers.get_default_optimizer_params"
_WARMUP = "detectory.engine.schedules.WarmupParamScheduler"
_STEPS = "detectory.engine.schedules.MultiStepParamScheduler"


def train_options(init_checkpoint: str | None, max_iter: int = COCO_1X_ITERATIONS, amp: bool = False) -> DictConfig:
    """Return what the trainer reads from `train`.

    Args:
        init_checkpoint: A file or URL of weights to start from; empty or None for random ones.
        max_iter: Iterations of the whole training.
        amp: Train in mixed precision, with gradients exchanged as float16.
    """
    return DictConfig(
        {
            "output_dir": "./output",
            "init_checkpoint": init_checkpoint,
            "max_iter": max_iter,
            "amp": {"enabled": amp},
            "ddp": {"broadcast_buffers": False, "find_unused_parameters": False, "fp16_compression": amp},
            "checkpointer": {"period": 5000, "max_to_keep": 100},
            "eval_period": 5000,
            "log_period": 20,
            "device": "cuda",
        }
    )


def sgd(lr: float = 0.02, weight_decay: float = 1e-4) -> DictConfig:
    """Return SGD with momentum, without weight decay on norms."""
    return LazyCall(torch.optim.SGD)(
        params=LazyCall(_PARAMETER_GROUPS)(weight_decay_norm=0.0), lr=lr, momentum=0.9, weight_decay=weight_decay
    )


def adamw(lr: float = 1e-4, undecayed: tuple[str, ...] = ("pos_embed",), weight_decay: float = 0.1) -> DictConfig:
    """Return AdamW, without weight decay on norms and on parameters of the names `undecayed`."""
    return LazyCall(torch.optim.AdamW)(
        params=LazyCall(_PARAMETER_GROUPS)(
            base_lr="${..lr}",
            weight_decay_norm=0.0,
            overrides={name: {"weight_decay": 0.0} for name in undecayed},
        ),
        lr=lr,
        betas=[0.9, 0.999],
        weight_decay=weight_decay,
    )


def steps_of_coco(times: int) -> DictConfig:
    """Return the schedule of `times` 12 epochs on COCO in batches of 16: 90k iterations each, 1000 of warm-up.

    The rate falls to a tenth and a hundredth after two thirds and eight ninths; of more than 24 epochs, 60k and 20k
    iterations before the end.
    """
    end = times * COCO_1X_ITERATIONS
    milestones = [60_000, 80_000, 90_000] if times <= 2 else [end - 60_000, end - 20_000, end]
    return LazyCall(_WARMUP)(
        scheduler=LazyCall(_STEPS)(values=[1.0, 0.1, 0.01], milestones=milestones),
        warmup_length=1000 / end,
        warmup_method="linear",
        warmup_factor=0.001,
    )


def steps_1x() -> DictConfig:
    """Return the schedule of 90k iterations."""
    return steps_of_coco(1)


def steps_3x_of_64() -> DictConfig:
    """Return the schedule of 36 epochs in batches of 64 images: 67.5k iterations, 250 of warm-up."""
    return LazyCall(_WARMUP)(
        scheduler=LazyCall(_STEPS)(values=[1.0, 0.1, 0.01], milestones=[52500, 62500, 67500]),
        warmup_length=250 / 67500,
        warmup_factor=0.001,
    )


def late_steps(
    num_updates: int, milestones: list[int], warmup_length: float, warmup_factor: float = 0.001
) -> DictConfig:
    """Return a schedule that holds the full rate for most of a long training and steps down twice near its end."""
    return LazyCall(_WARMUP)(
        scheduler=LazyCall(_STEPS)(values=[1.0, 0.1, 0.01], milestones=milestones, num_updates=num_updates),
        warmup_length=warmup_length,
        warmup_factor=warmup_factor,
    )
