"""Winograd's F(4x4, 3x3) convolution for CPU inference: a quarter of the multiplications of a direct convolution."""

import torch
from torch.nn import functional as F

from detectory.ops._checks.arguments import check_same_device, check_tensor
from detectory.ops._library import ops

#: Block sizes of input and output channels in a packed weight, as in `csrc/winograd_kernel.h`.
_CHANNELS, _PANEL = 16, 32
#: The filter transform G: three weights to six positions.
_TRANSFORM = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)


def winograd_weight(weight: torch.Tensor) -> torch.Tensor:
    """Transform and pack a weight for `winograd_conv2d`, once for all calls.

    Args:
        weight: (OC, C, 3, 3) floating, on the CPU.

    Returns:
        (36, OC / 32, C, 32) float32, with OC and C padded to multiples of 32 and 16: four times the size of the weight.

    Raises:
        TypeError: If `weight` is not a floating tensor.
        ValueError: If the shape is invalid, or `weight` is not on the CPU.

    Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, section 4.3.
    """
    check_tensor("winograd_weight", "weight", weight, "(OC, C, 3, 3)")
    _check_cpu("winograd_weight", "weight", weight)
    out_channels, channels = weight.shape[:2]
    sides = torch.tensor(_TRANSFORM, dtype=torch.float64, device="cpu")  # (6, 3)
    positions = torch.einsum("ia,jb,ocab->ijoc", sides, sides, weight.detach().double())
    positions = positions.reshape(36, out_channels, channels)
    padded = F.pad(positions, (0, -channels % _CHANNELS, 0, -out_channels % _PANEL))
    panels = padded.view(36, padded.shape[1] // _PANEL, _PANEL, padded.shape[2])
    return panels.transpose(2, 3).to(torch.float32, memory_format=torch.contiguous_format)


def winograd_conv2d(
    input: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    out_channels: int,
    relu: bool = False,
) -> torch.Tensor:
    """Convolve with a 3x3 kernel, stride 1 and padding 1, for inference on the CPU.

    Results differ from a direct convolution by about 1e-5 of the largest value, due to float32 rounding. bfloat16 is
    accumulated in float32. Results do not depend on the number of threads or on other images of the batch. A non-finite
    pixel makes all outputs of its 4x4 tile and of the neighbouring tiles non-finite.

    Args:
        input: (B, C, H, W), float32 or bfloat16; read without a copy if channels-last.
        weight: Output of `winograd_weight`.
        bias: (OC,) floating, or None.
        out_channels: OC, which is padded in the packed weight.
        relu: Whether to apply ReLU to the output.

    Returns:
        (B, OC, H, W) of the input's dtype, channels-last. Not differentiable.

    Raises:
        TypeError: If an argument is not a tensor, or has the wrong dtype.
        ValueError: If shapes do not match, or a tensor is not on the CPU.
        RuntimeError: If a tensor requires a gradient.

    Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, section 4.
    """
    function = "winograd_conv2d"
    check_tensor(function, "input", input, "(B, C, H, W)")
    check_tensor(function, "weight", weight, "(36, panels, C, 32)")
    tensors = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
    if bias is not None:
        check_tensor(function, "bias", bias, "(OC,)")
    for name, tensor in tensors.items():
        check_same_device(function, "input", input, name, tensor)
    if not torch.compiler.is_compiling():
        _check_cpu(function, "input", input)
    if input.dtype not in (torch.float32, torch.bfloat16):
        raise TypeError(f"{function}: input must be float32 or bfloat16, got {input.dtype}")
    if weight.dtype != torch.float32:
        raise TypeError(f"{function}: weight must be the float32 output of winograd_weight, got {weight.dtype}")
    rounded = -(-input.shape[1] // _CHANNELS) * _CHANNELS
    if weight.shape[2] != rounded or weight.shape[1] != -(-out_channels // _PANEL):
        raise ValueError(
            f"{function}: weight must have shape (36, {-(-out_channels // _PANEL)}, {rounded}, 32) for"
            f" {input.shape[1]} channels and out_channels {out_channels}, got {tuple(weight.shape)}"
        )
    if bias is not None and bias.shape[0] != out_channels:
        raise ValueError(
            f"{function}: bias must have one entry per output channel ({out_channels}), got {bias.shape[0]}"
        )
    if torch.is_grad_enabled() and (input.requires_grad or any(tensor.requires_grad for tensor in tensors.values())):
        raise RuntimeError(f"{function}: not differentiable. Call it under torch.no_grad()")
    return ops.winograd_conv2d(input, weight, bias, out_channels, relu)


def _check_cpu(function: str, name: str, tensor: torch.Tensor) -> None:
    if tensor.device.type != "cpu":
        raise ValueError(f"{function}: {name} must be on the CPU, got {tensor.device}")


@torch.library.register_fake("detectory::winograd_conv2d")
def _fake(
    input: torch.Tensor, _weight: torch.Tensor, _bias: torch.Tensor | None, out_channels: int, _relu: bool
) -> torch.Tensor:
    batch, _, height, width = input.shape
    return input.new_empty(batch, height, width, out_channels).permute(0, 3, 1, 2)
