"""Optimizers and learning rate schedulers built from a config."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, TypeVar

import torch
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
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
    "_GradientClipper",
    "_GradientClipperInput",
    "_create_gradient_clipper",
    "_generate_optimizer_class_with_gradient_clipping",
    "build_lr_scheduler",
    "build_optimizer",
    "get_default_optimizer_params",
    "maybe_add_gradient_clipping",
    "reduce_param_groups",
]

_SCHEDULES = ("WarmupMultiStepLR", "WarmupCosineLR", "WarmupStepWithFixedGammaLR")


_GradientClipperInput = torch.Tensor | Iterable[torch.Tensor]
_GradientClipper = Callable[[_GradientClipperInput], None]
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
    if isinstance(optimizer, torch.optim.Optimizer):
        clip_type: Any = GradientClipType(settings.CLIP_TYPE).value
        return clip_gradients(optimizer, clip_type, settings.CLIP_VALUE, settings.NORM_TYPE)
    return _generate_optimizer_class_with_gradient_clipping(
        optimizer, per_param_clipper=_create_gradient_clipper(settings)
    )


def _create_gradient_clipper(cfg: CfgNode) -> _GradientClipper:
    """Return a function that clips the gradients of one or several parameters.

    Args:
        cfg: The node `SOLVER.CLIP_GRADIENTS`. With type "norm", parameters passed together have a joint norm.

    Raises:
        ValueError: If the type is unknown or the limit is not positive.
    """
    clip_type, limit, norm_type = GradientClipType(cfg.CLIP_TYPE), cfg.CLIP_VALUE, cfg.NORM_TYPE
    if limit <= 0:
        raise ValueError(f"SOLVER.CLIP_GRADIENTS.CLIP_VALUE must be positive, got {limit}")

    def clip(parameters: _GradientClipperInput) -> None:
        if clip_type is GradientClipType.VALUE:
            clip_grad_value_(parameters, limit)
        else:
            clip_grad_norm_(parameters, limit, norm_type)

    return clip


def _generate_optimizer_class_with_gradient_clipping(
    optimizer: type[torch.optim.Optimizer],
    *,
    per_param_clipper: _GradientClipper | None = None,
    global_clipper: _GradientClipper | None = None,
) -> type[torch.optim.Optimizer]:
    """Return a subclass of an optimizer class that clips gradients before each step.

    Args:
        optimizer: The optimizer class.
        per_param_clipper: Called with one parameter at a time.
        global_clipper: Called once with the list of all parameters.

    Raises:
        AssertionError: If both clippers are set.
    """
    if per_param_clipper is not None and global_clipper is not None:
        raise AssertionError("per_param_clipper and global_clipper must not both be set")

    def clip(stepping: torch.optim.Optimizer, *_: Any) -> None:
        parameters = [parameter for group in stepping.param_groups for parameter in group["params"]]
        if global_clipper is not None:
            global_clipper(parameters)
        elif per_param_clipper is not None:
            for parameter in parameters:
                per_param_clipper(parameter)

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        optimizer.__init__(self, *args, **kwargs)
        self.register_step_pre_hook(clip)

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
