"""Gradients of convolution weights that torch computes slowly or wrongly on CPUs."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from detectory.core.processor import has_avx2_only

from .memory_layout import is_eager_cpu

#: Maps with fewer output pixels gain less than the copies cost.
MIN_OUTPUT_PIXELS = 800
MIN_CHANNELS = 32
_convolution_backward = torch.ops.aten.convolution_backward


def prefers_default_layout(x: Tensor, weight: Tensor, stride: tuple[int, ...], groups: int) -> bool:
    """Return whether the gradient of `weight` is faster in the default layout than in channels last.

    True only for large maps and kernels of more than one pixel on a processor without AVX-512, where oneDNN has no
    vectorised kernel for this gradient in channels last: 256 channels on 200 x 272 pixels take 4.3 s instead of 1.1.

    Args:
        x: Input map `(B, C_in, H, W)`.
        weight: Weight `(C_out, C_in / groups, h, w)`.
        stride: Vertical and horizontal stride.
        groups: Groups of channels.
    """
    output_pixels = (x.shape[-2] // stride[0]) * (x.shape[-1] // stride[1])
    return (
        torch.is_grad_enabled()
        and weight.requires_grad
        and weight.shape[-1] > 1
        and groups == 1
        and x.shape[1] >= MIN_CHANNELS
        and output_pixels >= MIN_OUTPUT_PIXELS
        and x.dtype == torch.float32
        and is_eager_cpu(x)
        and not torch.is_autocast_enabled("cpu")
        and has_avx2_only()
    )


def needs_float32(x: Tensor, weight: Tensor, stride: tuple[int, ...]) -> bool:
    """Return whether the gradient of `weight` is undefined in bfloat16.

    For strided convolutions of maps with a width or height of one pixel, torch 2.15 returns uninitialised memory, often
    NaN: P7 of a pyramid has this size for images of up to 64 pixels.

    Args:
        x: Input map `(B, C_in, H, W)`.
        weight: Weight `(C_out, C_in / groups, h, w)`.
        stride: Vertical and horizontal stride.
    """
    return (
        torch.is_grad_enabled()
        and weight.requires_grad
        and max(stride) > 1
        and weight.shape[-1] > 1
        and is_eager_cpu(x)
        and min(x.shape[-2:]) == 1
        and (x.dtype == torch.bfloat16 or torch.is_autocast_enabled("cpu"))
    )


class ConvolutionForTraining(torch.autograd.Function):
    """A convolution that computes the gradient of its weight in the default layout, all else in the given one.

    Arguments and result are those of `torch.nn.functional.conv2d` with integer padding; all must be given.
    """

    @staticmethod
    def forward(
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: tuple[int, int],
        padding: tuple[int, int],
        dilation: tuple[int, int],
        groups: int,
    ) -> Tensor:
        """Return the convolved map `(B, C_out, H', W')`."""
        return F.conv2d(x, weight, bias, stride, padding, dilation, groups)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004
        """Keep what the gradients need."""
        x, weight, bias, *settings = inputs
        ctx.save_for_backward(x, weight)
        ctx.settings = settings
        ctx.bias_sizes = None if bias is None else [len(bias)]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of the map, the weight and the bias."""
        x, weight = ctx.saved_tensors
        stride, padding, dilation, groups = ctx.settings
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad[:3]

        def gradients(grad: Tensor, x: Tensor, weight: Tensor, mask: list[bool]) -> tuple[Tensor | None, ...]:
            settings = (stride, padding, dilation, False, [0, 0], groups)  # not transposed, no output padding
            return _convolution_backward(grad, x, weight, ctx.bias_sizes, *settings, mask)

        grad_x = gradients(grad, x, weight, [True, False, False])[0] if needs_x else None
        grad_weight = grad_bias = None
        if needs_weight or needs_bias:
            mask = [False, needs_weight, needs_bias]
            _, grad_weight, grad_bias = gradients(grad.contiguous(), x.contiguous(), weight.contiguous(), mask)
        return grad_x, grad_weight, grad_bias, None, None, None, None
