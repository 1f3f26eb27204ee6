"""Detectron2's wrappers of torch layers and functions; current torch covers most of them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import BatchNorm2d, ConvTranspose2d, Linear
from torch.nn.functional import interpolate

from detectory.modeling.layers import Conv2d, cross_entropy

__all__ = [
    "BatchNorm2d",
    "Conv2d",
    "ConvTranspose2d",
    "Linear",
    "_NewEmptyTensorOp",
    "cat",
    "check_if_dynamo_compiling",
    "cross_entropy",
    "disable_torch_compiler",
    "empty_input_loss_func_wrapper",
    "interpolate",
    "move_device_like",
    "nonzero_tuple",
    "shapes_to_tensor",
]


def cat(tensors: list[Tensor] | tuple[Tensor, ...], dim: int = 0) -> Tensor:
    """Concatenate tensors, returning a single tensor without a copy.

    Raises:
        TypeError: If `tensors` is not a list or tuple.
    """
    if not isinstance(tensors, list | tuple):
        raise TypeError(f"cat: tensors must be a list or tuple, got {type(tensors).__name__}")
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors, dim)


def empty_input_loss_func_wrapper(loss_func: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Wrap a loss so that its mean over an empty target is a differentiable zero instead of NaN."""

    def loss(input: Tensor, target: Tensor, *, reduction: str = "mean", **kwargs: Any) -> Tensor:
        if target.numel() == 0 and reduction == "mean":
            return input.sum() * 0.0
        return loss_func(input, target, reduction=reduction, **kwargs)

    return loss


def nonzero_tuple(x: Tensor) -> tuple[Tensor, ...]:
    """Return `x.nonzero(as_tuple=True)`, treating a scalar as a tensor of one element."""
    return (x.unsqueeze(0) if x.dim() == 0 else x).nonzero(as_tuple=True)


def shapes_to_tensor(x: list[Any], device: torch.device | None = None) -> Tensor:
    """Convert integers, or scalar tensors recorded by a tracer, to an int64 tensor."""
    if any(isinstance(size, Tensor) for size in x):
        return torch.stack([torch.as_tensor(size, device=device) for size in x])
    return torch.as_tensor(x, device=device)


def move_device_like(src: Tensor, dst: Tensor) -> Tensor:
    """Move `src` to the device of `dst`."""
    return src.to(dst.device)


def check_if_dynamo_compiling() -> bool:
    """Return whether `torch.compile` is tracing the call."""
    return torch.compiler.is_compiling()


def disable_torch_compiler(func: Callable[..., Any]) -> Callable[..., Any]:
    """Exclude a function from `torch.compile`."""
    return torch.compiler.disable(func)


class _NewEmptyTensorOp(torch.autograd.Function):
    """Return an empty tensor of another shape, connected to the autograd graph of the input."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, new_shape: tuple[int, ...]) -> Tensor:
        ctx.shape = x.shape
        return x.new_empty(new_shape)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad.new_empty(ctx.shape), None
