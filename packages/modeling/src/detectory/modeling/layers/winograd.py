"""Winograd convolutions: 3×3 convolutions with fewer multiplications, for inference on CPUs."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory.ops import winograd_conv2d, winograd_weight

from .convolution import Conv2d

RELUS = (F.relu, F.relu_, torch.relu, torch.relu_)


class WinogradConv2d(Conv2d):
    """A trained 3×3 convolution that is computed by `winograd_conv2d` on CPUs; a following ReLU is fused.

    On other devices, for other dtypes, if a gradient is required, and in exported, traced or scripted graphs, it is the
    regular convolution.

    Args:
        convolution: The layer to replace, see `suits`. Its parameters are shared. A transformed copy of the weight
            needs four times its memory; the weight must not change afterwards.

    Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016.
    """

    #: Minimum number of input and output channels; below, the transforms cost more than they save.
    MIN_CHANNELS = 32

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__(convolution.in_channels, convolution.out_channels, 3, padding=1, bias=False, device="meta")
        self.weight, self.bias = convolution.weight, convolution.bias
        self.norm = getattr(convolution, "norm", None)
        activation: Any = getattr(convolution, "activation", None)
        self.has_relu = self.norm is None and (isinstance(activation, nn.ReLU) or activation in RELUS)
        self.activation = None if self.has_relu else activation
        self.packed = winograd_weight(convolution.weight)  # not a buffer: float32 always, and not in the state dict
        self.plain = (convolution,)

    @classmethod
    def suits(cls, layer: nn.Conv2d) -> bool:
        """Return whether `layer` is a regular 3×3 convolution on a CPU, with enough channels and without hooks."""
        return (
            type(layer) in (nn.Conv2d, Conv2d)
            and (layer.kernel_size, layer.stride, layer.dilation) == ((3, 3), (1, 1), (1, 1))
            and layer.padding in ((1, 1), "same")
            and layer.padding_mode == "zeros"
            and layer.groups == 1
            and min(layer.in_channels, layer.out_channels) >= cls.MIN_CHANNELS
            and layer.weight.device.type == "cpu"
            and not (layer._forward_hooks or layer._forward_pre_hooks)
        )

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        fits = input.device.type == "cpu" and input.dtype in (torch.float32, torch.bfloat16)
        wants_gradient = input.requires_grad and torch.is_grad_enabled()
        if fits and not (wants_gradient or torch.jit.is_tracing() or torch.compiler.is_exporting()):
            return winograd_conv2d(input, self.packed, bias, self.out_channels, self.has_relu)
        out = super()._conv_forward(input, weight, bias)
        return F.relu(out) if self.has_relu else out

    def __prepare_scriptable__(self) -> nn.Module:
        """Return the module for `torch.jit.script`: the regular convolution."""
        return self.plain[0]


def use_winograd(model: nn.Module) -> nn.Module:
    """Replace every suitable convolution of `model` by a `WinogradConv2d`, in place. Shared layers remain shared."""
    replacements: dict[nn.Module, nn.Module] = {}
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if child not in replacements and isinstance(child, nn.Conv2d) and WinogradConv2d.suits(child):
                replacements[child] = WinogradConv2d(child)
            if child in replacements:
                setattr(module, name, replacements[child])
    return model
