"""Deformable convolutions under Detectron2's module path."""

from torch import Tensor

from detectory import ops
from detectory.modeling.layers import DeformConv, ModulatedDeformConv

__all__ = ["DeformConv", "ModulatedDeformConv", "deform_conv", "modulated_deform_conv"]

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
    """Convolve with moved taps; see `detectory.ops.deform_conv2d`, which reads both groups from the shapes.

    Args:
        input: `(B, C, H, W)`.
        offset: `(B, 2 * deformable_groups * KH * KW, OH, OW)`.
        weight: `(OC, C / groups, KH, KW)`.
        stride: Of the output grid.
        padding: Zeros around the input.
        dilation: Distance of taps.
        groups: Of the convolution.
        deformable_groups: Of channels with offsets of their own.
        im2col_step: Accepted for Detectron2's sake; nothing depends on it.

    Raises:
        ValueError: the shapes say other groups.
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
    """Convolve with moved and weighted taps; arguments as of `deform_conv`.

    Args:
        input: As of `deform_conv`.
        offset: As of `deform_conv`.
        mask: `(B, deformable_groups * KH * KW, OH, OW)`.
        weight: As of `deform_conv`.
        bias: `(OC,)` or None.
        stride: As of `deform_conv`.
        padding: As of `deform_conv`.
        dilation: As of `deform_conv`.
        groups: As of `deform_conv`.
        deformable_groups: As of `deform_conv`.

    Raises:
        ValueError: the shapes say other groups.
    """
    _check_groups("modulated_deform_conv", input, offset, weight, groups, deformable_groups)
    return ops.deform_conv2d(input, offset, weight, bias, stride, padding, dilation, mask)


def _check_groups(
    name: str, input: Tensor, offset: Tensor, weight: Tensor, groups: int, deformable_groups: int
) -> None:
    taps = weight.shape[2] * weight.shape[3]
    if weight.shape[1] * groups != input.shape[1]:
        raise ValueError(f"{name}: weight {tuple(weight.shape)} has not groups={groups} of {input.shape[1]} channels")
    if offset.shape[1] != 2 * deformable_groups * taps:
        raise ValueError(
            f"{name}: offset must have {2 * deformable_groups * taps} channels for deformable_groups="
            f"{deformable_groups}, got {offset.shape[1]}"
        )
