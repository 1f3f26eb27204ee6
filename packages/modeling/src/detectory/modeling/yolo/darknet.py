"""Darknet-53, the backbone of YOLOv3, and the neck of YOLOv3."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory.modeling.backbone import Backbone
from detectory.modeling.layers import BatchNorm2d, Conv2d

#: Residual blocks per stage.
DARKNET53_DEPTHS = (1, 2, 8, 8, 4)


def leaky_relu(x: Tensor) -> Tensor:
    """Return `x` with negative values divided by 10."""
    return F.leaky_relu(x, 0.1)


def leaky_conv(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> Conv2d:
    """Return a convolution with batch norm and leaky ReLU."""
    convolution = Conv2d(
        in_channels,
        out_channels,
        kernel_size,
        stride,
        padding=kernel_size // 2,
        bias=False,
        norm=BatchNorm2d(out_channels),
        activation=leaky_relu,
    )
    nn.init.kaiming_normal_(convolution.weight, a=0.1)
    return convolution


class DarknetBlock(nn.Module):
    """A 1×1 convolution that halves the channels, a 3×3 convolution, and a shortcut.

    Args:
        channels: Channels of input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = leaky_conv(channels, channels // 2, 1)
        self.conv2 = leaky_conv(channels // 2, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, channels, H, W)` to the same shape."""
        return x + self.conv2(self.conv1(x))


class Darknet(Backbone):
    """Darknet-53. The outputs are named `"stage1"` (stride 2) to `"stage5"` (stride 32).

    Args:
        depths: Residual blocks of each stage.
        out_features: Names of the outputs.

    Source: Redmon and Farhadi, "YOLOv3: An Incremental Improvement", 2018, Table 1.
    """

    def __init__(
        self,
        depths: Sequence[int] = DARKNET53_DEPTHS,
        out_features: Sequence[str] = ("stage3", "stage4", "stage5"),
    ) -> None:
        super().__init__()
        self.stem = leaky_conv(3, 32, 3)
        self.stage_names = [f"stage{i + 1}" for i in range(len(depths))]
        for i, (name, depth) in enumerate(zip(self.stage_names, depths, strict=True)):
            channels = 64 * 2**i
            blocks = [DarknetBlock(channels) for _ in range(depth)]
            self.add_module(name, nn.Sequential(leaky_conv(channels // 2, channels, 3, stride=2), *blocks))
        self._out_features = list(out_features)
        self._out_feature_channels = {name: 64 * 2**i for i, name in enumerate(self.stage_names)}
        self._out_feature_strides = {name: 2 ** (i + 1) for i, name in enumerate(self.stage_names)}

    @property
    def size_divisibility(self) -> int:
        """The stride of the last stage."""
        return self._out_feature_strides[self.stage_names[-1]]

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images `(B, 3, H, W)` to feature maps by name."""
        x = self.stem(x)
        outputs: dict[str, Tensor] = {}
        for name in self.stage_names:
            x = getattr(self, name)(x)
            if name in self._out_features:
                outputs[name] = x
        return outputs


def _detection_block(in_channels: int, channels: int) -> nn.Sequential:
    """Return five convolutions, alternately 1×1 to `channels` and 3×3 to twice the channels."""
    return nn.Sequential(
        leaky_conv(in_channels, channels, 1),
        leaky_conv(channels, 2 * channels, 3),
        leaky_conv(2 * channels, channels, 1),
        leaky_conv(channels, 2 * channels, 3),
        leaky_conv(2 * channels, channels, 1),
    )


class YOLOv3Neck(Backbone):
    """The top-down pathway of YOLOv3. The outputs are named like those of the backbone.

    Args:
        bottom_up: The backbone.
        in_features: Names of the backbone outputs, from fine to coarse; `None` for all.
        channels: Channels of each output, from fine to coarse.

    Source: Redmon and Farhadi, "YOLOv3: An Incremental Improvement", 2018, section 2.3.
    """

    def __init__(
        self, bottom_up: Backbone, in_features: Sequence[str] | None = None, channels: Sequence[int] = (128, 256, 512)
    ) -> None:
        super().__init__()
        shapes = bottom_up.output_shape()
        self.bottom_up = bottom_up
        self._out_features = list(shapes if in_features is None else in_features)
        widths = [int(shapes[name].channels or 0) for name in self._out_features]
        self._out_feature_channels = dict(zip(self._out_features, channels, strict=True))
        self._out_feature_strides = {name: int(shapes[name].stride or 0) for name in self._out_features}
        # Both from coarse to fine.
        self.reduce = nn.ModuleList(
            leaky_conv(coarse, fine, 1) for coarse, fine in zip(channels[:0:-1], channels[-2::-1], strict=True)
        )
        inputs = [widths[-1], *(a + b for a, b in zip(widths[-2::-1], channels[-2::-1], strict=True))]
        self.blocks = nn.ModuleList(
            _detection_block(width, out) for width, out in zip(inputs, reversed(channels), strict=True)
        )

    @property
    def size_divisibility(self) -> int:
        """The stride of the coarsest level."""
        return max(self._out_feature_strides.values())

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images `(B, 3, H, W)` to feature maps by name, from fine to coarse."""
        features = self.bottom_up(x)
        levels = [features[name] for name in reversed(self._out_features)]
        outputs = [self.blocks[0](levels[0])]
        for reduce, block, level in zip(self.reduce, self.blocks[1:], levels[1:], strict=True):
            upsampled = F.interpolate(reduce(outputs[-1]), scale_factor=2.0, mode="nearest")
            outputs.append(block(torch.cat((upsampled, level), dim=1)))
        return dict(zip(self._out_features, reversed(outputs), strict=True))
