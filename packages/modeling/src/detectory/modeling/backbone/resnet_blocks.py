"""Stem and residual blocks of a ResNet.

Source: He et al., "Deep Residual Learning", 2016, figure 5; Xie et al., "ResNeXt", 2017 (groups);
Dai et al., 2017, and Zhu et al., 2019 (deformable).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory.modeling.layers import (
    CNNBlockBase,
    Conv2d,
    DeformConv,
    ModulatedDeformConv,
    c2_msra_fill,
    get_norm,
    init_predictor,
)
from detectory.modeling.layers.norms import NormSpec


def _convolution(in_channels: int, out_channels: int, size: int, norm: NormSpec, **kwargs: Any) -> Conv2d:
    """Build a convolution with its norm that keeps the size at stride 1."""
    padding = kwargs.get("dilation", 1) * (size // 2)
    return Conv2d(
        in_channels, out_channels, size, padding=padding, bias=False, norm=get_norm(norm, out_channels), **kwargs
    )


class BasicStem(CNNBlockBase):
    """A 7×7 convolution with stride 2 and a 3×3 max pooling with stride 2.

    Args:
        in_channels: Channels of the image.
        out_channels: Channels of the output.
        norm: Norm behind the convolution, as `get_norm` takes it.
    """

    def __init__(self, in_channels: int = 3, out_channels: int = 64, norm: NormSpec = "BN") -> None:
        super().__init__(in_channels, out_channels, 4)
        self.conv1 = Conv2d(
            in_channels, out_channels, 7, stride=2, padding=3, bias=False, norm=get_norm(norm, out_channels)
        )
        c2_msra_fill(self.conv1)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, in_channels, H, W)` to `(B, out_channels, H / 4, W / 4)`."""
        return F.max_pool2d(F.relu_(self.conv1(x)), kernel_size=3, stride=2, padding=1)


class _ResidualBlock(CNNBlockBase):
    """A block whose output is `relu(residual(x) + shortcut(x))`."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, norm: NormSpec) -> None:
        super().__init__(in_channels, out_channels, stride)
        # The shortcut must be the first submodule: generators of parameter groups follow this order.
        self.shortcut: nn.Module | None = None
        if in_channels != out_channels:
            self.shortcut = _convolution(in_channels, out_channels, 1, norm, stride=stride)

    def _fill(self, *convolutions: nn.Module) -> None:
        """Initialise the weights, the shortcut's last, when all exist: a seed then gives Detectron2's weights."""
        for layer in convolutions if self.shortcut is None else (*convolutions, self.shortcut):
            c2_msra_fill(layer)

    def _join(self, residual: Tensor, x: Tensor) -> Tensor:
        return F.relu_(residual + (x if self.shortcut is None else self.shortcut(x)))


class BasicBlock(_ResidualBlock):
    """Two 3×3 convolutions and a shortcut, the block of ResNet-18 and -34.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: Stride of the first convolution.
        norm: Norm behind every convolution, as `get_norm` takes it.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1, norm: NormSpec = "BN") -> None:
        super().__init__(in_channels, out_channels, stride, norm)
        self.conv1 = _convolution(in_channels, out_channels, 3, norm, stride=stride)
        self.conv2 = _convolution(out_channels, out_channels, 3, norm)
        self._fill(self.conv1, self.conv2)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, in_channels, H, W)` to `(B, out_channels, H / stride, W / stride)`."""
        return self._join(self.conv2(F.relu_(self.conv1(x))), x)


class BottleneckBlock(_ResidualBlock):
    """1×1, 3×3 and 1×1 convolution and a shortcut, the block of ResNet-50 to -152 and of ResNeXt.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        bottleneck_channels: Channels of the 3×3 convolution.
        stride: Stride of the block.
        num_groups: Groups of the 3×3 convolution.
        norm: Norm behind every convolution, as `get_norm` takes it.
        stride_in_1x1: Stride in the first convolution (MSRA's models) or in the 3×3 one (torchvision's).
        dilation: Dilation of the 3×3 convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        bottleneck_channels: int,
        stride: int = 1,
        num_groups: int = 1,
        norm: NormSpec = "BN",
        stride_in_1x1: bool = False,
        dilation: int = 1,
    ) -> None:
        super().__init__(in_channels, out_channels, stride, norm)
        stride1, stride3 = (stride, 1) if stride_in_1x1 else (1, stride)
        inner = bottleneck_channels
        self.conv1 = _convolution(in_channels, inner, 1, norm, stride=stride1)
        self.conv2 = _convolution(inner, inner, 3, norm, stride=stride3, groups=num_groups, dilation=dilation)
        self.conv3 = _convolution(inner, out_channels, 1, norm)
        self._fill(self.conv1, self.conv2, self.conv3)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, in_channels, H, W)` to `(B, out_channels, H / stride, W / stride)`."""
        out = F.relu_(self.conv1(x))
        out = F.relu_(self.conv2(out))
        return self._join(self.conv3(out), x)


class DeformBottleneckBlock(_ResidualBlock):
    """A bottleneck whose 3×3 convolution is deformable.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        bottleneck_channels: Channels of the 3×3 convolution.
        stride: Stride of the block.
        num_groups: Groups of the 3×3 convolution.
        norm: Norm behind every convolution, as `get_norm` takes it.
        stride_in_1x1: Stride in the first convolution or in the 3×3 one.
        dilation: Dilation of the 3×3 convolution.
        deform_modulated: Whether samples are weighted too (version 2).
        deform_num_groups: Groups of channels with offsets of their own.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        bottleneck_channels: int,
        stride: int = 1,
        num_groups: int = 1,
        norm: NormSpec = "BN",
        stride_in_1x1: bool = False,
        dilation: int = 1,
        deform_modulated: bool = False,
        deform_num_groups: int = 1,
    ) -> None:
        super().__init__(in_channels, out_channels, stride, norm)
        self.deform_modulated = deform_modulated
        stride1, stride3 = (stride, 1) if stride_in_1x1 else (1, stride)
        inner = bottleneck_channels
        self.conv1 = _convolution(in_channels, inner, 1, norm, stride=stride1)
        # For each of the nine samples: y and x, and the weight where modulated.
        moves = (27 if deform_modulated else 18) * deform_num_groups
        self.conv2_offset = Conv2d(inner, moves, 3, stride=stride3, padding=dilation, dilation=dilation)
        self.conv2 = (ModulatedDeformConv if deform_modulated else DeformConv)(
            inner,
            inner,
            3,
            stride=stride3,
            padding=dilation,
            bias=False,
            groups=num_groups,
            dilation=dilation,
            deformable_groups=deform_num_groups,
            norm=get_norm(norm, inner),
        )
        self.conv3 = _convolution(inner, out_channels, 1, norm)
        self._fill(self.conv1, self.conv2, self.conv3)
        # Zero offsets: the block starts as the plain one.
        init_predictor(self.conv2_offset, std=0.0)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, in_channels, H, W)` to `(B, out_channels, H / stride, W / stride)`."""
        out = F.relu_(self.conv1(x))
        moves = self.conv2_offset(out)
        if self.deform_modulated:
            # The published checkpoints order the channels as all y and x offsets in two halves, then the weights.
            first, second, weight = torch.chunk(moves, 3, dim=1)
            out = self.conv2(out, torch.cat((first, second), dim=1), weight.sigmoid())
        else:
            out = self.conv2(out, moves)
        return self._join(self.conv3(F.relu_(out)), x)
