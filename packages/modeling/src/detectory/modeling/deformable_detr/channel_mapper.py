"""Projection of feature maps to a common number of channels."""

from collections.abc import Sequence

from torch import Tensor, nn

from detectory.modeling.backbone import Backbone
from detectory.modeling.layers import Conv2d, GroupNorm, c2_xavier_fill


class ChannelMapper(Backbone):
    """A 1×1 convolution with group norm per feature map, and coarser levels by 3×3 convolutions of stride 2.

    The outputs are named `"level0"`, `"level1"`, …, from fine to coarse.

    Args:
        bottom_up: The backbone.
        in_features: Names of the backbone outputs, from fine to coarse.
        out_channels: Channels of every output.
        num_levels: Number of outputs; the first additional level is computed from the coarsest backbone output.

    Source: Zhu et al., "Deformable DETR", 2021, appendix A.2.
    """

    def __init__(
        self,
        bottom_up: Backbone,
        in_features: Sequence[str] = ("res3", "res4", "res5"),
        out_channels: int = 256,
        num_levels: int = 4,
    ) -> None:
        super().__init__()
        shapes = bottom_up.output_shape()
        self.bottom_up = bottom_up
        self.in_features = list(in_features)
        widths = [int(shapes[name].channels or 0) for name in in_features]
        self.convs = nn.ModuleList(self._conv(width, out_channels, 1) for width in widths)
        extra = num_levels - len(widths)
        inputs = [widths[-1], *[out_channels] * (extra - 1)]
        self.extra_convs = nn.ModuleList(self._conv(width, out_channels, 3) for width in inputs[:extra])
        self._out_features = [f"level{i}" for i in range(num_levels)]
        strides = [int(shapes[name].stride or 0) for name in in_features]
        strides += [strides[-1] * 2 ** (i + 1) for i in range(extra)]
        self._out_feature_channels = dict.fromkeys(self._out_features, out_channels)
        self._out_feature_strides = dict(zip(self._out_features, strides, strict=True))

    @staticmethod
    def _conv(in_channels: int, out_channels: int, kernel_size: int) -> Conv2d:
        stride, padding = (2, 1) if kernel_size == 3 else (1, 0)
        norm = GroupNorm(32, out_channels)
        convolution = Conv2d(in_channels, out_channels, kernel_size, stride, padding=padding, bias=False, norm=norm)
        c2_xavier_fill(convolution)
        return convolution

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images `(B, 3, H, W)` to feature maps by name, from fine to coarse."""
        features = self.bottom_up(x)
        levels = [conv(features[name]) for conv, name in zip(self.convs, self.in_features, strict=True)]
        coarse = features[self.in_features[-1]]
        for conv in self.extra_convs:
            coarse = conv(coarse)
            levels.append(coarse)
        return dict(zip(self._out_features, levels, strict=True))
