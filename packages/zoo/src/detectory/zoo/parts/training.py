"""The training parts of a recipe: options, optimizers and learning-rate schedules.

Targets in detectory.engine are dotted paths, so that models can be built without the engine.
"""

from collections.abc import Sequence

import torch
from omegaconf import DictConfig

from detectory.core.config import LazyCall

COCO_1X_ITERATIONS = 90_000
_PARAMETER_GROUPS = "detectory.engine.optimizers.get_default_optimizer_params"
_WARMUP = "detectory.engine.schedules.WarmupParamScheduler"
_STEPS = "detectory.engine.schedules.MultiStepParamScheduler"
_COSINE = "detectory.engine.schedules.CosineParamScheduler"


def train_options(init_checkpoint: str | None, max_iter: int = COCO_1X_ITERATIONS, amp: bool = False) -> DictConfig:
    """Return the `train` part: the trainer's options.

    Args:
        init_checkpoint: Path or URL of the initial weights; empty or None for random initialisation.
        max_iter: Number of training iterations.
        amp: Whether to train in mixed precision, with gradients communicated in float16.
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
    """Return SGD with momentum, without weight decay for norms."""
    return LazyCall(torch.optim.SGD)(
        params=LazyCall(_PARAMETER_GROUPS)(weight_decay_norm=0.0), lr=lr, momentum=0.9, weight_decay=weight_decay
    )


def adamw(lr: float = 1e-4, undecayed: tuple[str, ...] = ("pos_embed",), weight_decay: float = 0.1) -> DictConfig:
    """Return AdamW, without weight decay for norms and for parameters named in `undecayed`."""
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


def step_schedule(max_iter: int, steps: Sequence[int], warmup_iters: int = 1000) -> DictConfig:
    """Return a schedule that divides the learning rate by 10 at each step, after a linear warm-up.

    Args:
        max_iter: Number of training iterations.
        steps: One or two iterations at which the learning rate drops.
        warmup_iters: Length of the warm-up, iterations.
    """
    return LazyCall(_WARMUP)(
        scheduler=LazyCall(_STEPS)(values=[1.0, 0.1, 0.01][: len(steps) + 1], milestones=[*steps, max_iter]),
        warmup_length=warmup_iters / max_iter,
        warmup_method="linear",
        warmup_factor=0.001,
    )


def cosine_schedule(warmup_fraction: float = 0.1) -> DictConfig:
    """Return a schedule that decays to 1% of the learning rate along a cosine, after a linear warm-up.

    Source: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017, equation 5.
    """
    return LazyCall(_WARMUP)(
        scheduler=LazyCall(_COSINE)(start_value=1.0, end_value=0.01),
        warmup_length=warmup_fraction,
        warmup_method="linear",
        warmup_factor=0.04,
    )


def steps_of_coco(times: int) -> DictConfig:
    """Return the schedule of `times` x 12 epochs on COCO with batches of 16: 90k iterations per 12 epochs.

    The learning rate drops after two thirds and eight ninths of a single 12 epochs, and 60k and 20k iterations before
    the end of longer trainings.
    """
    end = times * COCO_1X_ITERATIONS
    if times > 2:
        return step_schedule(end, [end - 60_000, end - 20_000])
    schedule = step_schedule(end, [60_000, 80_000])
    # Milestones are relative to the last one: these fit 12 and 24 epochs.
    schedule.scheduler.milestones[-1] = COCO_1X_ITERATIONS
    return schedule


def steps_1x() -> DictConfig:
    """Return the 1x schedule: 90k iterations."""
    return steps_of_coco(1)


def steps_3x_of_64() -> DictConfig:
    """Return the schedule of 36 epochs with batches of 64: 67.5k iterations, 250 of them warm-up."""
    return LazyCall(_WARMUP)(
        scheduler=LazyCall(_STEPS)(values=[1.0, 0.1, 0.01], milestones=[52500, 62500, 67500]),
        warmup_length=250 / 67500,
        warmup_factor=0.001,
    )


def late_steps(
    num_updates: int, milestones: list[int], warmup_length: float, warmup_factor: float = 0.001
) -> DictConfig:
    """Return a schedule for long trainings: the learning rate is constant and drops twice near the end."""
    return LazyCall(_WARMUP)(
        scheduler=LazyCall(_STEPS)(values=[1.0, 0.1, 0.01], milestones=milestones, num_updates=num_updates),
        warmup_length=warmup_length,
        warmup_factor=warmup_factor,
    )
