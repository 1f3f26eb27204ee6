"""Deformable convolution, versions 1 and 2, with gradients on the CPU and CUDA."""

from typing import Any

import torch

from detectory.ops._checks.arguments import check_same, check_same_device, check_tensor
from detectory.ops._checks.determinism import require_determinism
from detectory.ops._library import ops


def deform_conv2d(
    input: torch.Tensor,
    offset: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Convolve with sampling positions shifted by learned offsets.

    Args:
        input: (B, C, H, W) floating.
        offset: (B, 2 * G * KH * KW, OH, OW): shift of each tap along y, then x, in input pixels, for each of G offset
            groups. The input channels are divided evenly among the groups.
        weight: (OC, C / groups, KH, KW); its second dimension determines the number of convolution groups.
        bias: (OC,) or None.
        stride: Stride along y and x.
        padding: Zero padding along y and x.
        dilation: Distance between taps along y and x.
        mask: (B, G * KH * KW, OH, OW), modulation factor of each tap (version 2), or None for version 1.

    Returns:
        (B, OC, OH, OW) of the input's dtype; samples outside the input are 0. Half-precision inputs are accumulated in
        float32, as under autocast. Differentiable with respect to all tensors; the backward pass is deterministic on
        the CPU.

    Raises:
        TypeError: If an argument is not a floating tensor, or the dtypes differ.
        ValueError: If shapes or devices do not match, or stride or dilation is not positive.

    Source: Dai et al., "Deformable Convolutional Networks", ICCV 2017; Zhu et al., "Deformable ConvNets v2", CVPR 2019.
    """
    steps = _pair("stride", stride, 1), _pair("padding", padding, 0), _pair("dilation", dilation, 1)
    _check(input, offset, weight, bias, mask)
    _check_sizes(input, offset, weight, mask, *steps)
    (stride_h, stride_w), (pad_h, pad_w), (dilation_h, dilation_w) = steps
    out = ops.deform_conv2d(input, offset, weight, mask, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w)
    return out if bias is None else out + bias.to(out.dtype).view(1, -1, 1, 1)


def _pair(name: str, value: int | tuple[int, int], minimum: int) -> tuple[int, int]:
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or min(pair) < minimum:
        raise ValueError(f"deform_conv2d: {name} must be one or two integers of at least {minimum}, got {value}")
    return pair[0], pair[1]


def _check(
    input: torch.Tensor,
    offset: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    mask: torch.Tensor | None,
) -> None:
    check_tensor("deform_conv2d", "input", input, "(B, C, H, W)")
    others = {"offset": (offset, "(B, 2 * G * KH * KW, OH, OW)"), "weight": (weight, "(OC, C / groups, KH, KW)")}
    if mask is not None:
        others["mask"] = mask, "(B, G * KH * KW, OH, OW)"
    for name, (tensor, shape) in others.items():
        check_tensor("deform_conv2d", name, tensor, shape)
        check_same_device("deform_conv2d", "input", input, name, tensor)
        # Under autocast the operator casts its inputs to the same dtype.
        if not torch.is_autocast_enabled(input.device.type):
            check_same("deform_conv2d", "input", input, name, tensor)
    if bias is not None:
        check_tensor("deform_conv2d", "bias", bias, "(OC,)")
        check_same_device("deform_conv2d", "input", input, "bias", bias)
        if bias.shape[0] != weight.shape[0]:
            raise ValueError(
                f"deform_conv2d: bias must have one entry per output channel ({weight.shape[0]}), got {bias.shape[0]}"
            )


def _check_sizes(
    input: torch.Tensor,
    offset: torch.Tensor,
    weight: torch.Tensor,
    mask: torch.Tensor | None,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
) -> None:
    channels, (out_channels, per_group, *kernel) = input.shape[1], weight.shape
    taps = kernel[0] * kernel[1]
    if channels == 0 or per_group == 0 or taps == 0 or channels % per_group or out_channels % (channels // per_group):
        raise ValueError(
            f"deform_conv2d: weight of shape {tuple(weight.shape)} does not divide the {channels} input channels "
            "into groups"
        )
    groups = offset.shape[1] // (2 * taps)
    if offset.shape[1] % (2 * taps) or groups == 0 or channels % groups:
        raise ValueError(
            f"deform_conv2d: offset must have 2 * G * {taps} channels with G dividing {channels}, got {offset.shape[1]}"
        )
    out = [
        (size + 2 * pad - step * (extent - 1) - 1) // move + 1
        for size, pad, step, extent, move in zip(input.shape[2:], padding, dilation, kernel, stride, strict=True)
    ]
    _expect("offset", offset, (input.shape[0], offset.shape[1], *out))
    if mask is not None:
        _expect("mask", mask, (input.shape[0], groups * taps, *out))


def _expect(name: str, tensor: torch.Tensor, shape: tuple) -> None:
    if tuple(tensor.shape) != shape:
        raise ValueError(f"deform_conv2d: {name} must have shape {shape}, got {tuple(tensor.shape)}")


@torch.library.register_fake("detectory::deform_conv2d")
def _fake_deform_conv2d(
    input: torch.Tensor, offset: torch.Tensor, weight: torch.Tensor, _mask: torch.Tensor | None, *_: int
) -> torch.Tensor:
    return input.new_empty(input.shape[0], weight.shape[0], offset.shape[2], offset.shape[3])


@torch.library.register_fake("detectory::deform_conv2d_backward")
def _fake_deform_conv2d_backward(
    _grad: torch.Tensor,
    input: torch.Tensor,
    offset: torch.Tensor,
    weight: torch.Tensor,
    mask: torch.Tensor | None,
    *_: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    masks = 0 if mask is None else input.shape[0]
    return (
        input.new_empty(input.shape),
        offset.new_empty(offset.shape),
        weight.new_empty(weight.shape),
        input.new_empty(masks, offset.shape[1] // 2, offset.shape[2], offset.shape[3]),
    )


def _setup_context(ctx: Any, inputs: tuple, output: torch.Tensor) -> None:  # noqa: ARG001
    *tensors, mask = inputs[:4]
    ctx.save_for_backward(*tensors, *([] if mask is None else [mask]))
    ctx.steps = inputs[4:]


def _backward(ctx: Any, grad: torch.Tensor) -> tuple:
    require_determinism("deform_conv2d", grad.device)
    input, offset, weight, *mask = ctx.saved_tensors
    grads = ops.deform_conv2d_backward(grad, input, offset, weight, mask[0] if mask else None, *ctx.steps)
    return *grads[:3], grads[3] if mask else None, *[None] * 6


torch.library.register_autograd("detectory::deform_conv2d", _backward, setup_context=_setup_context)
for _device in ("cpu", "cuda"):
    torch.library.register_autocast("detectory::deform_conv2d", _device, torch.float32)
