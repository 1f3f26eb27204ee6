"""Gradient clipping before optimizer steps."""

from typing import Any, Literal

import torch
from torch.nn.utils import clip_grad_norm_, clip_grad_value_


def clip_gradients(
    optimizer: torch.optim.Optimizer,
    clip_type: Literal["value", "norm", "full_model"],
    clip_value: float,
    norm_type: float = 2.0,
) -> torch.optim.Optimizer:
    """Make an optimizer clip the gradients of its parameters before each step.

    Args:
        optimizer: The optimizer; it is modified and returned.
        clip_type: `"value"` clamps each element to `[-clip_value, clip_value]`, `"norm"` scales the gradient of each
            parameter to a norm of at most `clip_value`, `"full_model"` scales all gradients by their joint norm.
        clip_value: The limit; must be positive.
        norm_type: Order of the norm; may be `float("inf")`.

    Raises:
        ValueError: If `clip_type` is unknown or `clip_value` is not positive.
    """
    if clip_type not in ("value", "norm", "full_model"):
        raise ValueError(f"clip_gradients: clip_type must be 'value', 'norm' or 'full_model', got '{clip_type}'")
    if clip_value <= 0:
        raise ValueError(f"clip_gradients: clip_value must be positive, got {clip_value}")

    def clip(stepping: torch.optim.Optimizer, *_: Any) -> None:
        parameters = [parameter for group in stepping.param_groups for parameter in group["params"]]
        if clip_type == "value":
            clip_grad_value_(parameters, clip_value)
        elif clip_type == "full_model":
            clip_grad_norm_(parameters, clip_value, norm_type)
        else:
            for parameter in parameters:
                clip_grad_norm_(parameter, clip_value, norm_type)

    optimizer.register_step_pre_hook(clip)
    return optimizer
