"""Loss functions computed in a single pass over the input."""

from typing import Any

import torch

from detectory.ops._checks.arguments import check_same_device, check_tensor
from detectory.ops._library import ops

_REDUCTIONS = ("none", "mean", "sum")


def sigmoid_focal_loss(
    inputs: torch.Tensor,
    targets: torch.Tensor,
    alpha: float = 0.25,
    gamma: float = 2.0,
    reduction: str = "none",
) -> torch.Tensor:
    """Return the focal loss of independent binary classifications.

    Args:
        inputs: Logits of any shape, floating. Half precision is computed in float32, as under autocast.
        targets: Same shape, any real dtype: 0 for negatives, 1 for positives, or probabilities. Not differentiable.
        alpha: Weight of positives in [0, 1]; negatives have weight 1 - alpha. If alpha is negative, both weights are 1.
        gamma: Focusing parameter, at least 0; larger values down-weight easy examples more.
        reduction: `"none"` for the loss per element, `"mean"` or `"sum"` over all elements. Sums do not depend on the
            number of threads.

    Returns:
        The loss in the dtype and shape of the inputs, or () if reduced. The mean of empty inputs is NaN.

    Raises:
        TypeError: If `inputs` is not a floating tensor, or `targets` not a real one.
        ValueError: If shapes or devices differ, `gamma` is negative, `targets` require a gradient, or `reduction` is
            unknown.

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
        raise ValueError(f"{function}: targets must not require a gradient")
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
    """Return the second derivative in plain torch, so that it is itself differentiable."""
    t = t.to(x.dtype)
    p = torch.sigmoid(x)
    slope, sign = p * (1 - p), 1 - 2 * t
    error = p * (1 - t) + (1 - p) * t
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(x, t, reduction="none")
    inner = gamma * error ** (gamma - 1)
    curvature = error**gamma * slope + 2 * inner * slope * sign * (p - t)
    curvature += entropy * (inner * slope * (1 - 2 * p) * sign + (gamma - 1) * inner / error * (slope * sign) ** 2)
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
