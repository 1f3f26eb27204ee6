"""Wrappers that Detectron2 puts around torch; most do what torch does by itself today."""

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
    """Return `torch.cat`, and the tensor itself where there is only one.

    Raises:
        TypeError: `tensors` is no list or tuple.
    """
    if not isinstance(tensors, list | tuple):
        raise TypeError(f"cat: expected a list or tuple of tensors, got {type(tensors).__name__}")
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors, dim)


def empty_input_loss_func_wrapper(loss_func: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return `loss_func` with a mean over nothing that is zero, connected to its input, instead of NaN."""

    def loss(input: Tensor, target: Tensor, *, reduction: str = "mean", **kwargs: Any) -> Tensor:
        if target.numel() == 0 and reduction == "mean":
            return input.sum() * 0.0
        return loss_func(input, target, reduction=reduction, **kwargs)

    return loss


def nonzero_tuple(x: Tensor) -> tuple[Tensor, ...]:
    """Return one tensor of indices for each dimension: `x.nonzero(as_tuple=True)`, a scalar taken as one element."""
    return (x.unsqueeze(0) if x.dim() == 0 else x).nonzero(as_tuple=True)


def shapes_to_tensor(x: list[Any], device: torch.device | None = None) -> Tensor:
    """Return integers, or the scalar tensors that sizes are while tracing, as one int64 tensor."""
    if any(isinstance(size, Tensor) for size in x):
        return torch.stack([torch.as_tensor(size, device=device) for size in x])
    return torch.as_tensor(x, device=device)


def move_device_like(src: Tensor, dst: Tensor) -> Tensor:
    """Return `src` on the device of `dst`."""
    return src.to(dst.device)


def check_if_dynamo_compiling() -> bool:
    """Say whether `torch.compile` is tracing this call."""
    return torch.compiler.is_compiling()


def disable_torch_compiler(func: Callable[..., Any]) -> Callable[..., Any]:
    """Return `func` so that `torch.compile` runs it as it is."""
    return torch.compiler.disable(func)
