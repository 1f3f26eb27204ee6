"""Atrous spatial pyramid pooling (ASPP)."""

from collections.abc import Callable, Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import DepthwiseSeparableConv2d
from .convolution import Conv2d
from .norms import NormSpec, get_norm
from .weight_init import c2_xavier_fill


class ASPP(nn.Module):
    """Parallel convolutions with several dilations and global pooling, concatenated and projected.

    The branches are a 1×1 convolution, three dilated 3×3 convolutions, and an average pooling with a 1×1 convolution.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of each branch and of the output.
        dilations: The three dilations.
        norm: Norm after every convolution except the one after the pooling, as in `get_norm`.
        activation: Activation after every convolution.
        pool_kernel_size: `(height, width)` of the pooling window, which must divide the size of the input; with the
            crop size of the training, inference pools windows of the same size. `None` for global pooling.
        dropout: Dropout probability of the output.
        use_depthwise_separable_conv: Whether the 3×3 convolutions are depthwise separable.

    Raises:
        ValueError: If there are not three dilations.

    Source: Chen et al., "Encoder-Decoder with Atrous Separable Convolution", 2018 (DeepLabV3+).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        dilations: Sequence[int],
        *,
        norm: NormSpec,
        activation: Callable[[Tensor], Tensor],
        pool_kernel_size: tuple[int, int] | None = None,
        dropout: float = 0.0,
        use_depthwise_separable_conv: bool = False,
    ) -> None:
        super().__init__()
        if len(dilations) != 3:
            raise ValueError(f"ASPP: dilations must be three integers, got {list(dilations)}")
        self.pool_kernel_size = pool_kernel_size
        self.dropout = dropout

        def convolution(channels: int, size: int, dilation: int = 1) -> Conv2d:
            layer = Conv2d(
                channels,
                out_channels,
                kernel_size=size,
                padding=dilation * (size // 2),
                dilation=dilation,
                bias=not norm,
                norm=get_norm(norm, out_channels),
                activation=deepcopy(activation),
            )
            c2_xavier_fill(layer)
            return layer

        def separable(dilation: int) -> DepthwiseSeparableConv2d:
            return DepthwiseSeparableConv2d(
                in_channels,
                out_channels,
                padding=dilation,
                dilation=dilation,
                norm1=norm,
                activation1=deepcopy(activation),
                norm2=norm,
                activation2=deepcopy(activation),
            )

        dilated = separable if use_depthwise_separable_conv else lambda dilation: convolution(in_channels, 3, dilation)
        # No norm after the pooling: the statistics of one pixel per image are too noisy for a batch norm.
        pooled = Conv2d(in_channels, out_channels, 1, bias=True, activation=deepcopy(activation))
        c2_xavier_fill(pooled)
        pool = nn.AdaptiveAvgPool2d(1) if pool_kernel_size is None else nn.AvgPool2d(pool_kernel_size, stride=1)
        branches = [convolution(in_channels, 1), *(dilated(d) for d in dilations), nn.Sequential(pool, pooled)]
        self.convs = nn.ModuleList(branches)
        self.project = convolution(5 * out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, in_channels, H, W)` to `(B, out_channels, H, W)`.

        Raises:
            ValueError: If the pooling window does not divide the input.
        """
        size = x.shape[-2:]
        kernel = self.pool_kernel_size
        if kernel is not None and (size[0] % kernel[0] or size[1] % kernel[1]):
            raise ValueError(f"ASPP: pool_kernel_size must divide the input size {tuple(size)}, got {tuple(kernel)}")
        outputs = [branch(x) for branch in self.convs]
        outputs[-1] = F.interpolate(outputs[-1], size=size, mode="bilinear", align_corners=False)
        return F.dropout(self.project(torch.cat(outputs, dim=1)), self.dropout, training=self.training)
