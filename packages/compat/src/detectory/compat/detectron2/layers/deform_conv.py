"""Deformable convolutions under Detectron2's module path."""

from torch import Tensor

from detectory import ops
from detectory.modeling.layers import DeformConv, ModulatedDeformConv

__all__ = [
    "DeformConv",
    "ModulatedDeformConv",
    "_DeformConv",
    "_ModulatedDeformConv",
    "deform_conv",
    "modulated_deform_conv",
]

Size = int | tuple[int, int]


def deform_conv(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
    deformable_groups: int = 1,
    im2col_step: int = 64,
) -> Tensor:
    """Apply a deformable convolution; see `detectory.ops.deform_conv2d`.

    Args:
        input: `(B, C, H, W)`.
        offset: `(B, 2 * deformable_groups * KH * KW, OH, OW)`.
        weight: `(OC, C / groups, KH, KW)`.
        stride: Stride of the convolution.
        padding: Zero padding of the input.
        dilation: Spacing between kernel elements.
        groups: Number of convolution groups.
        deformable_groups: Number of channel groups with separate offsets.
        im2col_step: Ignored; accepted for compatibility.

    Raises:
        ValueError: If the shapes contradict `groups` or `deformable_groups`.
    """
    del im2col_step
    _check_groups("deform_conv", input, offset, weight, groups, deformable_groups)
    return ops.deform_conv2d(input, offset, weight, None, stride, padding, dilation)


def modulated_deform_conv(
    input: Tensor,
    offset: Tensor,
    mask: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
    deformable_groups: int = 1,
) -> Tensor:
    """Apply a modulated deformable convolution.

    Args:
        input: As for `deform_conv`.
        offset: As for `deform_conv`.
        mask: Modulation, `(B, deformable_groups * KH * KW, OH, OW)`.
        weight: As for `deform_conv`.
        bias: `(OC,)` or None.
        stride: As for `deform_conv`.
        padding: As for `deform_conv`.
        dilation: As for `deform_conv`.
        groups: As for `deform_conv`.
        deformable_groups: As for `deform_conv`.

    Raises:
        ValueError: If the shapes contradict `groups` or `deformable_groups`.
    """
    _check_groups("modulated_deform_conv", input, offset, weight, groups, deformable_groups)
    return ops.deform_conv2d(input, offset, weight, bias, stride, padding, dilation, mask)


def _check_groups(
    name: str, input: Tensor, offset: Tensor, weight: Tensor, groups: int, deformable_groups: int
) -> None:
    taps = weight.shape[2] * weight.shape[3]
    if weight.shape[1] * groups != input.shape[1]:
        raise ValueError(f"{name}: weight must have {input.shape[1] // groups} input channels, got {weight.shape[1]}")
    if offset.shape[1] != 2 * deformable_groups * taps:
        raise ValueError(
            f"{name}: offset must have {2 * deformable_groups * taps} channels for deformable_groups="
            f"{deformable_groups}, got {offset.shape[1]}"
        )


class _DeformConv:
    """Deformable convolution with the interface of an autograd function."""

    apply = staticmethod(deform_conv)


class _ModulatedDeformConv:
    """Modulated deformable convolution with the interface of an autograd function."""

    apply = staticmethod(modulated_deform_conv)
