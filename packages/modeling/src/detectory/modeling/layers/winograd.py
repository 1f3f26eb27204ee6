"""3×3 convolutions of models that are only run, with fewer multiplications."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory.ops import winograd_conv2d, winograd_weight

from .convolution import Conv2d

RELUS = (F.relu, F.relu_, torch.relu, torch.relu_)


class WinogradConv2d(Conv2d):
    """A trained 3×3 convolution that a CPU computes by `winograd_conv2d`; a ReLU behind it costs nothing.

    Elsewhere, with another type, where a gradient is wanted, and while a graph is exported, traced or scripted it is
    the plain convolution.

    Args:
        convolution: The layer to stand for, see `suits`. Its parameters are shared; its weight, which must not change
            any more, is also kept transformed, in four times the memory.
    """

    #: With fewer input or output channels than this the transforms cost more than they save.
    LEAST_CHANNELS = 32

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__(convolution.in_channels, convolution.out_channels, 3, padding=1, bias=False, device="meta")
        self.weight, self.bias = convolution.weight, convolution.bias
        self.norm = getattr(convolution, "norm", None)
        activation: Any = getattr(convolution, "activation", None)
        self.has_relu = self.norm is None and (isinstance(activation, nn.ReLU) or activation in RELUS)
        self.activation = None if self.has_relu else activation
        self.packed = winograd_weight(convolution.weight)  # no buffer: it stays float32 and out of the state dict
        self.plain = (convolution,)

    @classmethod
    def suits(cls, layer: nn.Conv2d) -> bool:
        """Whether a layer is an ordinary 3×3 convolution on a CPU with enough channels and no hooks."""
        return (
            type(layer) in (nn.Conv2d, Conv2d)
            and (layer.kernel_size, layer.stride, layer.dilation) == ((3, 3), (1, 1), (1, 1))
            and layer.padding in ((1, 1), "same")
            and layer.padding_mode == "zeros"
            and layer.groups == 1
            and min(layer.in_channels, layer.out_channels) >= cls.LEAST_CHANNELS
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
        """Return what `torch.jit.script` compiles: the plain convolution."""
        return self.plain[0]


def use_winograd(model: nn.Module) -> nn.Module:
    """Put a `WinogradConv2d` in the place of every layer that it suits, in place; a shared layer stays shared."""
    stand_ins: dict[nn.Module, nn.Module] = {}
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if child not in stand_ins and isinstance(child, nn.Conv2d) and WinogradConv2d.suits(child):
                stand_ins[child] = WinogradConv2d(child)
            if child in stand_ins:
                setattr(module, name, stand_ins[child])
    return model
