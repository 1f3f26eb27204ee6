"""Focal losses under fvcore's module path."""

from torch import Tensor
from torch.nn import functional as F

from detectory.ops import sigmoid_focal_loss

__all__ = ["sigmoid_focal_loss", "sigmoid_focal_loss_jit", "sigmoid_focal_loss_star", "sigmoid_focal_loss_star_jit"]


def sigmoid_focal_loss_star(
    inputs: Tensor, targets: Tensor, alpha: float = -1, gamma: float = 1, reduction: str = "none"
) -> Tensor:
    """Return the focal loss variant FL*, in which `gamma` scales the logits.

    Args:
        inputs: Logits of any shape.
        targets: 0 or 1, of the same shape.
        alpha: Weight of the positive class; negative disables the weighting.
        gamma: Slope of the logits.
        reduction: `"none"`, `"mean"` or `"sum"`.

    Source: Lin et al., "Focal Loss for Dense Object Detection", 2017, appendix A.
    """
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"sigmoid_focal_loss_star: reduction must be 'none', 'mean' or 'sum', got {reduction!r}")
    inputs, targets = inputs.float(), targets.float()
    loss = -F.logsigmoid(gamma * inputs * (2 * targets - 1)) / gamma
    if alpha >= 0:
        loss = loss * (alpha * targets + (1 - alpha) * (1 - targets))
    return {"none": loss, "mean": loss.mean(), "sum": loss.sum()}[reduction]


# fvcore scripts these for speed; the native operator is not scripted.
sigmoid_focal_loss_jit = sigmoid_focal_loss
sigmoid_focal_loss_star_jit = sigmoid_focal_loss_star
