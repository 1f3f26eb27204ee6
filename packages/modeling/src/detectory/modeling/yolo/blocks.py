"""Convolutional blocks of YOLOX and RTMDet: cross-stage partial layers, spatial pyramid pooling, and stems."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory.modeling.layers import BatchNorm2d, Conv2d, DepthwiseSeparableConv2d


@dataclass(frozen=True)
class ConvStyle:
    """Convolutions with batch norm and SiLU that the parts of a network have in common.

    Args:
        depthwise: Whether convolutions with a kernel above 1×1 are depthwise separable.
        norm_eps: Constant added to the variance by the batch norms.
        norm_momentum: Momentum of the running statistics.
    """

    depthwise: bool = False
    norm_eps: float = 1e-3
    norm_momentum: float = 0.03

    def norm(self, channels: int) -> BatchNorm2d:
        """Return a batch norm."""
        return BatchNorm2d(channels, eps=self.norm_eps, momentum=self.norm_momentum)

    def dense(self, in_channels: int, out_channels: int, kernel_size: int = 1, stride: int = 1) -> Conv2d:
        """Return a convolution with norm and activation that keeps the size divided by `stride`."""
        convolution = Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding=kernel_size // 2,
            bias=False,
            norm=self.norm(out_channels),
            activation=F.silu,
        )
        nn.init.kaiming_uniform_(convolution.weight, a=5**0.5)
        return convolution

    def separable(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1
    ) -> DepthwiseSeparableConv2d:
        """Return a depthwise separable convolution with norms and activations after both parts."""
        return DepthwiseSeparableConv2d(
            in_channels,
            out_channels,
            kernel_size,
            padding=kernel_size // 2,
            stride=stride,
            norm1=self.norm,
            activation1=F.silu,
            norm2=self.norm,
            activation2=F.silu,
        )

    def spatial(self, in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1) -> nn.Module:
        """Return a convolution of the configured type."""
        build = self.separable if self.depthwise else self.dense
        return build(in_channels, out_channels, kernel_size, stride)


class DarknetBottleneck(nn.Module):
    """A 1×1 and a 3×3 convolution with an optional shortcut.

    Args:
        channels: Channels of input and output.
        shortcut: Whether to add the input to the output.
        style: The convolutions.
    """

    def __init__(self, channels: int, shortcut: bool, style: ConvStyle) -> None:
        super().__init__()
        self.conv1 = style.dense(channels, channels)
        self.conv2 = style.spatial(channels, channels)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, channels, H, W)` to the same shape."""
        y = self.conv2(self.conv1(x))
        return x + y if self.shortcut else y


class CSPNeXtBlock(nn.Module):
    """A 3×3 and a depthwise separable 5×5 convolution with an optional shortcut.

    Args:
        channels: Channels of input and output.
        shortcut: Whether to add the input to the output.
        style: The convolutions.

    Source: Lyu et al., "RTMDet: An Empirical Study of Designing Real-Time Object Detectors", 2022, Fig. 3.
    """

    def __init__(self, channels: int, shortcut: bool, style: ConvStyle) -> None:
        super().__init__()
        self.conv1 = style.spatial(channels, channels)
        self.conv2 = style.separable(channels, channels, 5)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, channels, H, W)` to the same shape."""
        y = self.conv2(self.conv1(x))
        return x + y if self.shortcut else y


#: Block classes by name.
BLOCKS: dict[str, type[nn.Module]] = {"darknet": DarknetBottleneck, "cspnext": CSPNeXtBlock}


class ChannelAttention(nn.Module):
    """Multiplication of every channel with a weight that is computed from the means of all channels.

    Args:
        channels: Channels of the input.

    Source: Hu et al., "Squeeze-and-Excitation Networks", 2018, with one linear layer and a hard sigmoid.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, channels, H, W)` to the same shape."""
        return x * F.hardsigmoid(self.fc(x.mean((2, 3), keepdim=True)))


class CSPLayer(nn.Module):
    """Cross-stage partial layer: half of the channels pass through residual blocks, the other half around them.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        depth: Number of blocks.
        block: Key of `BLOCKS`.
        shortcut: Whether the blocks have shortcuts.
        attention: Whether channel attention precedes the last convolution.
        style: The convolutions.

    Source: Wang et al., "CSPNet: A New Backbone that can Enhance Learning Capability of CNN", 2020.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        depth: int,
        *,
        block: str = "darknet",
        shortcut: bool = True,
        attention: bool = False,
        style: ConvStyle,
    ) -> None:
        super().__init__()
        hidden = out_channels // 2
        self.main = style.dense(in_channels, hidden)
        self.short = style.dense(in_channels, hidden)
        self.blocks = nn.Sequential(*(BLOCKS[block](hidden, shortcut, style) for _ in range(depth)))
        self.attention = ChannelAttention(2 * hidden) if attention else nn.Identity()
        self.final = style.dense(2 * hidden, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, in_channels, H, W)` to `(B, out_channels, H, W)`."""
        merged = torch.cat((self.blocks(self.main(x)), self.short(x)), dim=1)
        return self.final(self.attention(merged))


class SPPBottleneck(nn.Module):
    """Spatial pyramid pooling: maxima over windows of several sizes, between two 1×1 convolutions.

    Args:
        channels: Channels of input and output.
        style: The convolutions.
        kernel_sizes: Odd side lengths of the windows.

    Source: He et al., "Spatial Pyramid Pooling in Deep Convolutional Networks", 2014.
    """

    def __init__(self, channels: int, style: ConvStyle, kernel_sizes: Sequence[int] = (5, 9, 13)) -> None:
        super().__init__()
        hidden = channels // 2
        self.reduce = style.dense(channels, hidden)
        self.expand = style.dense(hidden * (len(kernel_sizes) + 1), channels)
        self.kernel_sizes = tuple(kernel_sizes)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, channels, H, W)` to the same shape."""
        x = self.reduce(x)
        pooled = [F.max_pool2d(x, size, stride=1, padding=size // 2) for size in self.kernel_sizes]
        return self.expand(torch.cat([x, *pooled], dim=1))


class Focus(nn.Module):
    """Stem of YOLOX: the four pixels of every 2×2 square become channels of one cell.

    Args:
        in_channels: Channels of the image.
        out_channels: Channels of the output.
        style: The convolutions.
    """

    def __init__(self, in_channels: int, out_channels: int, style: ConvStyle) -> None:
        super().__init__()
        self.conv = style.dense(4 * in_channels, out_channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, in_channels, H, W)` with even `H` and `W` to `(B, out_channels, H / 2, W / 2)`."""
        top, bottom = x[..., ::2, :], x[..., 1::2, :]
        parts = (top[..., ::2], bottom[..., ::2], top[..., 1::2], bottom[..., 1::2])
        return self.conv(torch.cat(parts, dim=1))
