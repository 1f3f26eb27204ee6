"""Base class of convolutional blocks, and the depthwise separable convolution."""

from collections.abc import Callable

from torch import Tensor, nn

from .convolution import Conv2d
from .frozen_batch_norm import FrozenBatchNorm2d
from .norms import NormSpec, get_norm
from .weight_init import c2_msra_fill


class CNNBlockBase(nn.Module):
    """Base class of blocks that map `(B, in_channels, H, W)` to `(B, out_channels, H / stride, W / stride)`.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: Stride of the block.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.stride = stride

    def freeze(self) -> "CNNBlockBase":
        """Freeze the block: parameters get no gradients, batch norms become frozen ones.

        Returns:
            The block itself.
        """
        for parameter in self.parameters():
            parameter.requires_grad = False
        FrozenBatchNorm2d.convert_frozen_batchnorm(self)
        return self


class DepthwiseSeparableConv2d(nn.Module):
    """A k×k convolution of each channel separately (depthwise), then a 1×1 convolution across the channels (pointwise).

    Xception has norm and activation only after the pointwise convolution, MobileNet after both.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Kernel size of the depthwise convolution.
        padding: Padding of the depthwise convolution.
        dilation: Dilation of the depthwise convolution.
        stride: Stride of the depthwise convolution.
        norm1: Norm after the depthwise convolution, as in `get_norm`.
        activation1: Activation after the depthwise convolution.
        norm2: Norm after the pointwise convolution.
        activation2: Activation after the pointwise convolution.

    Source: Chollet, "Xception", 2017; Howard et al., "MobileNets", 2017.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        padding: int = 1,
        dilation: int = 1,
        *,
        stride: int = 1,
        norm1: NormSpec = None,
        activation1: Callable[[Tensor], Tensor] | None = None,
        norm2: NormSpec = None,
        activation2: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.depthwise = Conv2d(
            in_channels,
            in_channels,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=in_channels,
            bias=not norm1,
            norm=get_norm(norm1, in_channels),
            activation=activation1,
        )
        self.pointwise = Conv2d(
            in_channels,
            out_channels,
            kernel_size=1,
            bias=not norm2,
            norm=get_norm(norm2, out_channels),
            activation=activation2,
        )
        c2_msra_fill(self.depthwise)
        c2_msra_fill(self.pointwise)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, in_channels, H, W)` to `(B, out_channels, H', W')`."""
        return self.pointwise(self.depthwise(x))
