"""The contract of a convolutional block, and the depthwise separable convolution."""

from collections.abc import Callable

from torch import Tensor, nn

from .convolution import Conv2d
from .frozen_batch_norm import FrozenBatchNorm2d
from .norms import NormSpec, get_norm
from .weight_init import c2_msra_fill


class CNNBlockBase(nn.Module):
    """A block from `(B, in_channels, H, W)` to `(B, out_channels, H / stride, W / stride)`.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: Input pixels for one output pixel.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.stride = stride

    def freeze(self) -> "CNNBlockBase":
        """Stop training: no parameter wants a gradient, every batch norm becomes a frozen one.

        Returns:
            The block itself.
        """
        for parameter in self.parameters():
            parameter.requires_grad = False
        FrozenBatchNorm2d.convert_frozen_batchnorm(self)
        return self


class DepthwiseSeparableConv2d(nn.Module):
    """A k×k convolution of each channel by itself, then a 1×1 convolution across channels.

    Xception gives norm and activation to the second convolution only, MobileNet to both.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: `k`.
        padding: Padding of the first convolution.
        dilation: Dilation of the first convolution.
        norm1: Norm behind the depthwise convolution, as `get_norm` takes it.
        activation1: Activation behind it.
        norm2: Norm behind the 1×1 convolution.
        activation2: Activation behind it.

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
