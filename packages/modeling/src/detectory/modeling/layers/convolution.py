"""Convolution with norm and activation in one module."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .frozen_batch_norm import FrozenBatchNorm2d
from .weight_gradient import ConvolutionForTraining, needs_float32, prefers_default_layout


def convolve(x: Tensor, conv: nn.Conv2d, norm: nn.Module | None) -> Tensor:
    """Return `norm(conv(x))`; a frozen batch norm is folded into the weights, see `FrozenBatchNorm2d.fold`."""
    if type(norm) is FrozenBatchNorm2d:
        return _apply_weight(x, conv, *norm.fold(conv.weight, conv.bias))
    x = _apply_weight(x, conv, conv.weight, conv.bias)
    return x if norm is None else norm(x)


def _apply_weight(x: Tensor, conv: nn.Conv2d, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve with the settings of a layer and another weight and bias."""
    is_plain = not isinstance(conv.padding, str) and conv.padding_mode == "zeros"
    if is_plain and prefers_default_layout(x, weight, conv.stride, conv.groups):
        return ConvolutionForTraining.apply(x, weight, bias, conv.stride, conv.padding, conv.dilation, conv.groups)
    if needs_float32(x, weight, conv.stride):
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        with torch.autocast("cpu", enabled=False):
            return conv._conv_forward(x.float(), weight.float(), None if bias is None else bias.float()).to(dtype)
    return conv._conv_forward(x, weight, bias)


class Conv2d(nn.Conv2d):
    """`nn.Conv2d` followed by an optional norm, the attribute `norm`, and an optional activation.

    A frozen batch norm is folded into the weights in each call. The results and gradients are the same, without an
    additional pass over the activations.

    Args:
        args: Positional arguments of `nn.Conv2d`.
        norm: Norm of the output, or `None`.
        activation: Function applied last, or `None`.
        kwargs: Keyword arguments of `nn.Conv2d`.
    """

    def __init__(
        self,
        *args: Any,
        norm: nn.Module | None = None,
        activation: Callable[[Tensor], Tensor] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.norm = norm
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C_in, H, W)` to `(B, C_out, H', W')`; `B` may be 0."""
        if torch.jit.is_scripting():
            x = self._conv_forward(x, self.weight, self.bias)
            if self.norm is not None:
                x = self.norm(x)
        else:
            x = convolve(x, self, self.norm)
        if self.activation is not None:
            x = self.activation(x)
        return x
