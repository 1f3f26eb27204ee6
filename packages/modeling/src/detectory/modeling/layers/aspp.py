"""Atrous spatial pyramid pooling."""

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
    """Look at a map with several dilations at once and at its mean, then mix the views.

    The branches are a 1×1 convolution, three dilated 3×3 ones and the pooled image; a 1×1
    convolution projects their concatenation.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of each branch and of the output.
        dilations: The three dilations.
        norm: Norm of every convolution but the one behind the pooling, as `get_norm` takes it.
        activation: Activation behind every convolution.
        pool_kernel_size: `(height, width)` of the pooling window, a divisor of the input's size, so that
            inference pools as training did; `None` pools the whole image.
        dropout: Share of outputs dropped in training.
        use_depthwise_separable_conv: Use depthwise separable 3×3 convolutions.

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
            raise ValueError(f"ASPP: dilations must be three numbers, got {list(dilations)}")
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
        # One pixel an image has no batch statistics of use, hence no norm behind the pooling.
        pooled = Conv2d(in_channels, out_channels, 1, bias=True, activation=deepcopy(activation))
        c2_xavier_fill(pooled)
        pool = nn.AdaptiveAvgPool2d(1) if pool_kernel_size is None else nn.AvgPool2d(pool_kernel_size, stride=1)
        branches = [convolution(in_channels, 1), *(dilated(d) for d in dilations), nn.Sequential(pool, pooled)]
        self.convs = nn.ModuleList(branches)
        self.project = convolution(5 * out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, in_channels, H, W)` to `(B, out_channels, H, W)`.

        Raises:
            ValueError: where the fixed pooling window does not divide the input.
        """
        size = x.shape[-2:]
        kernel = self.pool_kernel_size
        if kernel is not None and (size[0] % kernel[0] or size[1] % kernel[1]):
            raise ValueError(f"ASPP: pool_kernel_size {tuple(kernel)} must divide the input's size {tuple(size)}")
        views = [branch(x) for branch in self.convs]
        views[-1] = F.interpolate(views[-1], size=size, mode="bilinear", align_corners=False)
        return F.dropout(self.project(torch.cat(views, dim=1)), self.dropout, training=self.training)
