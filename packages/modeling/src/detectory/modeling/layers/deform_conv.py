"""Deformable convolutions, version 1 and version 2 (modulated)."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from detectory import ops


class _DeformableConvolution(nn.Module):
    """Base class of both versions: attributes, weights and their initialization."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int,
        padding: int,
        dilation: int,
        groups: int,
        deformable_groups: int,
        bias: bool,
        norm: nn.Module | None,
        activation: Callable[[Tensor], Tensor] | None,
    ) -> None:
        super().__init__()
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups:
                raise ValueError(f"{type(self).__name__}: {name} must be a multiple of groups {groups}, got {channels}")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = (kernel_size, kernel_size) if isinstance(kernel_size, int) else tuple(kernel_size)
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.groups = groups
        self.deformable_groups = deformable_groups
        self.norm = norm
        self.activation = activation
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels // groups, *self.kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5), nonlinearity="relu")

    def _sample(self, x: Tensor, offset: Tensor, mask: Tensor | None) -> Tensor:
        """Return the convolution of `x` at the shifted positions, with norm and activation."""
        x = ops.deform_conv2d(x, offset, self.weight, self.bias, self.stride, self.padding, self.dilation, mask)
        if self.norm is not None:
            x = self.norm(x)
        return x if self.activation is None else self.activation(x)

    def _shown(self, number: int) -> Any:
        """Return the representation of stride, padding or dilation in `extra_repr`."""
        return number

    def extra_repr(self) -> str:
        """Return the arguments that `print` shows."""
        return (
            f"in_channels={self.in_channels}, out_channels={self.out_channels}, kernel_size={self.kernel_size},"
            f" stride={self._shown(self.stride)}, padding={self._shown(self.padding)},"
            f" dilation={self._shown(self.dilation)}, groups={self.groups},"
            f" deformable_groups={self.deformable_groups}, bias={self.bias is not None}"
        )


class DeformConv(_DeformableConvolution):
    """Deformable convolution: the sampling positions of the kernel are shifted by predicted offsets.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Kernel size, or `(height, width)`.
        stride: Stride of the convolution.
        padding: Zero padding on each side.
        dilation: Dilation of the kernel.
        groups: Groups of the convolution.
        deformable_groups: Number of channel groups with separate offsets.
        bias: Whether there is a bias.
        norm: Norm of the output, or `None`.
        activation: Function applied last, or `None`.

    Raises:
        ValueError: If the channels are not multiples of `groups`.

    Source: Dai et al., "Deformable Convolutional Networks", 2017, section 2.1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        deformable_groups: int = 1,
        bias: bool = False,
        norm: nn.Module | None = None,
        activation: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation,
            groups, deformable_groups, bias, norm, activation,
        )  # fmt: skip

    def _shown(self, number: int) -> Any:
        return (number, number)

    def forward(self, x: Tensor, offset: Tensor) -> Tensor:
        """Apply the convolution.

        Args:
            x: `(B, C_in, H, W)`.
            offset: `(B, 2 * deformable_groups * kh * kw, H', W')` offsets in input pixels, y before x for each kernel
                position.

        Returns:
            `(B, C_out, H', W')`.
        """
        return self._sample(x, offset, None)


class ModulatedDeformConv(_DeformableConvolution):
    """Deformable convolution that also scales each sample by a predicted factor (version 2).

    The arguments are those of `DeformConv`; the bias is enabled by default.

    Source: Zhu et al., "Deformable ConvNets v2", 2019, equation 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        deformable_groups: int = 1,
        bias: bool = True,
        norm: nn.Module | None = None,
        activation: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation,
            groups, deformable_groups, bias, norm, activation,
        )  # fmt: skip

    def forward(self, x: Tensor, offset: Tensor, mask: Tensor) -> Tensor:
        """Apply the convolution.

        Args:
            x: `(B, C_in, H, W)`.
            offset: `(B, 2 * deformable_groups * kh * kw, H', W')` offsets in input pixels, y before x for each kernel
                position.
            mask: `(B, deformable_groups * kh * kw, H', W')` factors in [0, 1].

        Returns:
            `(B, C_out, H', W')`.
        """
        return self._sample(x, offset, mask)
