"""Optimizers and learning rate schedulers built from a config."""

from collections import defaultdict
from enum import Enum
from typing import Any, TypeVar

import torch
from torch.optim.lr_scheduler import LRScheduler

from detectory.compat.detectron2.config import CfgNode
from detectory.core.suggestions import nearest
from detectory.engine.optimizers import clip_gradients, get_default_optimizer_params
from detectory.engine.schedules import (
    CosineParamScheduler,
    LRMultiplier,
    MultiStepParamScheduler,
    ParamScheduler,
    StepWithFixedGammaParamScheduler,
    WarmupParamScheduler,
)

__all__ = [
    "CosineParamScheduler",
    "GradientClipType",
    "LRScheduler",
    "MultiStepParamScheduler",
    "StepWithFixedGammaParamScheduler",
    "build_lr_scheduler",
    "build_optimizer",
    "get_default_optimizer_params",
    "maybe_add_gradient_clipping",
    "reduce_param_groups",
]

_SCHEDULES = ("WarmupMultiStepLR", "WarmupCosineLR", "WarmupStepWithFixedGammaLR")


OptimizerOrClass = TypeVar("OptimizerOrClass", torch.optim.Optimizer, type[torch.optim.Optimizer])


class GradientClipType(Enum):
    """Values of `SOLVER.CLIP_GRADIENTS.CLIP_TYPE`."""

    VALUE = "value"
    NORM = "norm"


def maybe_add_gradient_clipping(cfg: CfgNode, optimizer: OptimizerOrClass) -> OptimizerOrClass:
    """Add gradient clipping to an optimizer or optimizer class if `SOLVER.CLIP_GRADIENTS` enables it.

    Args:
        cfg: The config.
        optimizer: An optimizer, which is modified, or an optimizer class, which is subclassed.
    """
    settings = cfg.SOLVER.CLIP_GRADIENTS
    if not settings.ENABLED:
        return optimizer
    clip_type: Any = GradientClipType(settings.CLIP_TYPE).value
    if isinstance(optimizer, torch.optim.Optimizer):
        return clip_gradients(optimizer, clip_type, settings.CLIP_VALUE, settings.NORM_TYPE)

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        optimizer.__init__(self, *args, **kwargs)
        clip_gradients(self, clip_type, settings.CLIP_VALUE, settings.NORM_TYPE)

    return type(f"{optimizer.__name__}WithGradientClip", (optimizer,), {"__init__": __init__})


def build_optimizer(cfg: CfgNode, model: torch.nn.Module) -> torch.optim.Optimizer:
    """Build the SGD optimizer that `SOLVER` describes for the parameters that require gradients."""
    settings = cfg.SOLVER
    groups = get_default_optimizer_params(
        model,
        base_lr=settings.BASE_LR,
        weight_decay_norm=settings.WEIGHT_DECAY_NORM,
        bias_lr_factor=settings.BIAS_LR_FACTOR,
        weight_decay_bias=settings.WEIGHT_DECAY_BIAS,
    )
    optimizer = torch.optim.SGD(
        groups,
        lr=settings.BASE_LR,
        momentum=settings.MOMENTUM,
        nesterov=settings.NESTEROV,
        weight_decay=settings.WEIGHT_DECAY,
    )
    return maybe_add_gradient_clipping(cfg, optimizer)


def build_lr_scheduler(cfg: CfgNode, optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
    """Build the schedule named by `SOLVER.LR_SCHEDULER_NAME`, with a warm-up.

    Raises:
        ValueError: If the name is unknown.
    """
    settings = cfg.SOLVER
    schedule = WarmupParamScheduler(
        _schedule(settings),
        settings.WARMUP_FACTOR,
        min(settings.WARMUP_ITERS / settings.MAX_ITER, 1.0),
        settings.WARMUP_METHOD,
        settings.RESCALE_INTERVAL,
    )
    return LRMultiplier(optimizer, multiplier=schedule, max_iter=settings.MAX_ITER)


def _schedule(settings: CfgNode) -> ParamScheduler:
    name = settings.LR_SCHEDULER_NAME
    if name == "WarmupMultiStepLR":
        steps = [step for step in settings.STEPS if step <= settings.MAX_ITER]
        return MultiStepParamScheduler(
            values=[settings.GAMMA**k for k in range(len(steps) + 1)], milestones=steps, num_updates=settings.MAX_ITER
        )
    if name == "WarmupCosineLR":
        return CosineParamScheduler(1, settings.BASE_LR_END / settings.BASE_LR)
    if name == "WarmupStepWithFixedGammaLR":
        return StepWithFixedGammaParamScheduler(
            base_value=1.0, gamma=settings.GAMMA, num_decays=settings.NUM_DECAYS, num_updates=settings.MAX_ITER
        )
    raise ValueError(f"SOLVER.LR_SCHEDULER_NAME: unknown schedule {name!r}, {nearest(name, _SCHEDULES)}")


def _expand_param_groups(params: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one group per parameter; later groups override earlier ones."""
    expanded: dict[torch.nn.Parameter, dict[str, Any]] = defaultdict(dict)
    for group in params:
        settings = {key: value for key, value in group.items() if key not in ("params", "param_names")}
        for parameter in group["params"]:
            expanded[parameter].update({"params": [parameter], **settings})
    return list(expanded.values())


def reduce_param_groups(params: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Merge groups with equal settings, because optimizers are faster with fewer groups."""
    merged: dict[str, dict[str, Any]] = {}
    for group in _expand_param_groups(params):
        # By their text, because settings of other optimizers may be lists.
        settings = repr(sorted((key, value) for key, value in group.items() if key != "params"))
        if settings in merged:
            merged[settings]["params"].extend(group["params"])
        else:
            merged[settings] = dict(group)
    return list(merged.values())
