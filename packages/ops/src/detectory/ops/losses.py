"""Losses that are computed in one pass over their input."""

from typing import Any

import torch

from detectory.ops._arguments import check_same_device, check_tensor
from detectory.ops._library import ops

_REDUCTIONS = ("none", "mean", "sum")


def sigmoid_focal_loss(
    inputs: torch.Tensor,
    targets: torch.Tensor,
    alpha: float = 0.25,
    gamma: float = 2.0,
    reduction: str = "none",
) -> torch.Tensor:
    """Focal loss of independent binary classifications.

    Args:
        inputs: Logits of any shape, floating. Half types are computed in float32, as is everything under autocast.
        targets: Same shape, any real dtype: 0 for the negative, 1 for the positive class, or probabilities between. No
            gradient flows to them.
        alpha: The weight of positives in [0, 1], negatives weigh 1 - alpha; negative: both weigh 1.
        gamma: How strongly easy examples are played down, at least 0.
        reduction: `"none"` for the loss of each element, `"mean"` or `"sum"` over all. A sum does not depend on the
            number of threads.

    Returns:
        Of the inputs' dtype, shaped as they are, or () when reduced. The mean of nothing is NaN.

    Raises:
        TypeError: inputs are no floating tensor, or targets no real one.
        ValueError: shapes or devices differ, gamma is negative, targets require a gradient, or reduction is unknown.

    Example:
        >>> sigmoid_focal_loss(torch.tensor([0.0, 3.0]), torch.tensor([1.0, 1.0]), reduction="sum")
        tensor(0.0433)

    Source: Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, equation 5.
    """
    function = "sigmoid_focal_loss"
    check_tensor(function, "inputs", inputs)
    check_tensor(function, "targets", targets, "", "real")
    check_same_device(function, "inputs", inputs, "targets", targets)
    if inputs.shape != targets.shape:
        raise ValueError(
            f"{function}: targets must have the inputs' shape {tuple(inputs.shape)}, got {tuple(targets.shape)}"
        )
    if targets.requires_grad:
        raise ValueError(f"{function}: targets must not require a gradient: none is computed")
    if not gamma >= 0:
        raise ValueError(f"{function}: gamma must be at least 0, got {gamma}")
    if reduction not in _REDUCTIONS:
        raise ValueError(f"{function}: reduction must be one of {_REDUCTIONS}, got {reduction!r}")
    loss = ops.sigmoid_focal_loss(inputs, targets, float(alpha), float(gamma), reduction != "none")
    return loss / inputs.numel() if reduction == "mean" else loss


def _save(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:  # noqa: ARG001
    logits, targets, ctx.alpha, ctx.gamma, _ = inputs
    ctx.save_for_backward(logits, targets)


def _backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    logits, targets = ctx.saved_tensors
    return ops.sigmoid_focal_loss_backward(grad, logits, targets, ctx.alpha, ctx.gamma), None, None, None, None


def _save_gradient(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:  # noqa: ARG001
    grad, logits, targets, ctx.alpha, ctx.gamma = inputs
    ctx.save_for_backward(grad, logits, targets)


def _backward_of_gradient(ctx: Any, outer: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    grad, logits, targets = ctx.saved_tensors
    by_grad = ops.sigmoid_focal_loss_backward(outer, logits, targets, ctx.alpha, ctx.gamma)
    by_logits = outer * grad * _curvature(logits, targets, ctx.alpha, ctx.gamma)
    return by_grad.sum() if grad.dim() == 0 else by_grad, by_logits, None, None, None


def _curvature(x: torch.Tensor, t: torch.Tensor, alpha: float, gamma: float) -> torch.Tensor:
    """The second derivative, in plain torch: rarely asked for, and differentiable once more."""
    t = t.to(x.dtype)
    p = torch.sigmoid(x)
    slope, side = p * (1 - p), 1 - 2 * t
    wrong = p * (1 - t) + (1 - p) * t
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(x, t, reduction="none")
    inner = gamma * wrong ** (gamma - 1)
    curvature = wrong**gamma * slope + 2 * inner * slope * side * (p - t)
    curvature += entropy * (inner * slope * (1 - 2 * p) * side + (gamma - 1) * inner / wrong * (slope * side) ** 2)
    weight = alpha * t + (1 - alpha) * (1 - t) if alpha >= 0 else torch.ones_like(t)
    return weight * curvature


@torch.library.register_fake("detectory::sigmoid_focal_loss")
def _fake(inputs: torch.Tensor, _targets: torch.Tensor, _alpha: float, _gamma: float, total: bool) -> torch.Tensor:
    return inputs.new_empty(()) if total else inputs.new_empty(inputs.shape)


@torch.library.register_fake("detectory::sigmoid_focal_loss_backward")
def _fake_backward(_grad: torch.Tensor, inputs: torch.Tensor, *_: object) -> torch.Tensor:
    return inputs.new_empty(inputs.shape)


torch.library.register_autograd("detectory::sigmoid_focal_loss", _backward, setup_context=_save)
torch.library.register_autograd(
    "detectory::sigmoid_focal_loss_backward", _backward_of_gradient, setup_context=_save_gradient
)
for _device in ("cpu", "cuda"):
    torch.library.register_autocast("detectory::sigmoid_focal_loss", _device, torch.float32)
