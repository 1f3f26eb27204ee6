"""Stem and residual blocks of ResNets.

Source: He et al., "Deep Residual Learning", 2016, Fig. 5; Xie et al., "ResNeXt", 2017 (groups); Dai et al.,
    "Deformable
Convolutional Networks", 2017, and Zhu et al., "Deformable ConvNets v2", 2019 (deformable).
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
    """Return a convolution with its norm; the padding preserves the resolution at stride 1."""
    padding = kwargs.get("dilation", 1) * (size // 2)
    return Conv2d(
        in_channels, out_channels, size, padding=padding, bias=False, norm=get_norm(norm, out_channels), **kwargs
    )


class BasicStem(CNNBlockBase):
    """A 7×7 convolution with stride 2, followed by a 3×3 max pooling with stride 2.

    Args:
        in_channels: Channels of the image.
        out_channels: Channels of the output.
        norm: Norm after the convolution, as in `get_norm`.
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
    """Base class of blocks that compute `relu(residual(x) + shortcut(x))`."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, norm: NormSpec) -> None:
        super().__init__(in_channels, out_channels, stride)
        # The shortcut is the first submodule, as in Detectron2: optimizer checkpoints depend on the order of
        # parameters.
        self.shortcut: nn.Module | None = None
        if in_channels != out_channels:
            self.shortcut = _convolution(in_channels, out_channels, 1, norm, stride=stride)

    def _fill(self, *convolutions: nn.Module) -> None:
        """Initialize the weights of the convolutions, then of the shortcut.

        Called after all layers exist, so that the same seed yields the same weights as in Detectron2.
        """
        for layer in convolutions if self.shortcut is None else (*convolutions, self.shortcut):
            c2_msra_fill(layer)

    def _join(self, residual: Tensor, x: Tensor) -> Tensor:
        """Return `relu(residual + shortcut(x))`."""
        return F.relu_(residual + (x if self.shortcut is None else self.shortcut(x)))


class BasicBlock(_ResidualBlock):
    """Two 3×3 convolutions and a shortcut, the block of ResNet-18 and ResNet-34.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: Stride of the first convolution.
        norm: Norm after every convolution, as in `get_norm`.
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
    """A 1×1, a 3×3 and a 1×1 convolution and a shortcut, the block of ResNet-50 to ResNet-152 and of ResNeXt.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        bottleneck_channels: Channels of the 3×3 convolution.
        stride: Stride of the block.
        num_groups: Groups of the 3×3 convolution.
        norm: Norm after every convolution, as in `get_norm`.
        stride_in_1x1: Whether the first 1×1 convolution has the stride (as in MSRA's models), or the 3×3 one (as in
            torchvision's).
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
        stride_1x1, stride_3x3 = (stride, 1) if stride_in_1x1 else (1, stride)
        inner = bottleneck_channels
        self.conv1 = _convolution(in_channels, inner, 1, norm, stride=stride_1x1)
        self.conv2 = _convolution(inner, inner, 3, norm, stride=stride_3x3, groups=num_groups, dilation=dilation)
        self.conv3 = _convolution(inner, out_channels, 1, norm)
        self._fill(self.conv1, self.conv2, self.conv3)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, in_channels, H, W)` to `(B, out_channels, H / stride, W / stride)`."""
        out = F.relu_(self.conv1(x))
        out = F.relu_(self.conv2(out))
        return self._join(self.conv3(out), x)


class DeformBottleneckBlock(_ResidualBlock):
    """`BottleneckBlock` with a deformable 3×3 convolution.

    The offsets are predicted by a convolution that is initialized with zeros: the block starts as a regular one.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        bottleneck_channels: Channels of the 3×3 convolution.
        stride: Stride of the block.
        num_groups: Groups of the 3×3 convolution.
        norm: Norm after every convolution, as in `get_norm`.
        stride_in_1x1: Whether the first 1×1 convolution has the stride, or the 3×3 one.
        dilation: Dilation of the 3×3 convolution.
        deform_modulated: Whether the samples are also modulated (version 2).
        deform_num_groups: Number of channel groups with separate offsets.
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
        stride_1x1, stride_3x3 = (stride, 1) if stride_in_1x1 else (1, stride)
        inner = bottleneck_channels
        self.conv1 = _convolution(in_channels, inner, 1, norm, stride=stride_1x1)
        # For each of the nine samples: the y and x offset, and the modulation scalar in version 2.
        num_offsets = (27 if deform_modulated else 18) * deform_num_groups
        self.conv2_offset = Conv2d(inner, num_offsets, 3, stride=stride_3x3, padding=dilation, dilation=dilation)
        self.conv2 = (ModulatedDeformConv if deform_modulated else DeformConv)(
            inner,
            inner,
            3,
            stride=stride_3x3,
            padding=dilation,
            bias=False,
            groups=num_groups,
            dilation=dilation,
            deformable_groups=deform_num_groups,
            norm=get_norm(norm, inner),
        )
        self.conv3 = _convolution(inner, out_channels, 1, norm)
        self._fill(self.conv1, self.conv2, self.conv3)
        # Zero offsets: the block starts as a regular bottleneck.
        init_predictor(self.conv2_offset, std=0.0)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, in_channels, H, W)` to `(B, out_channels, H / stride, W / stride)`."""
        out = F.relu_(self.conv1(x))
        offsets = self.conv2_offset(out)
        if self.deform_modulated:
            # The first two thirds of the channels are the offsets, y and x interleaved; the last third is the mask.
            first, second, mask = torch.chunk(offsets, 3, dim=1)
            out = self.conv2(out, torch.cat((first, second), dim=1), mask.sigmoid())
        else:
            out = self.conv2(out, offsets)
        return self._join(self.conv3(F.relu_(out)), x)
