"""MobileNetV2."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from detectory.modeling.layers import BatchNorm2d, Conv2d

from .backbone import Backbone

#: Expansion, channels, blocks and stride of each stage.
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))

Activation = Callable[[Tensor], Tensor]


def _leaky_relu(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.1)


#: Activations by name.
ACTIVATIONS: dict[str, Activation] = {"relu6": F.relu6, "leaky_relu": _leaky_relu}


def _conv(
    in_channels: int, out_channels: int, kernel_size: int, stride: int, groups: int, activation: Activation | None
) -> Conv2d:
    convolution = Conv2d(
        in_channels,
        out_channels,
        kernel_size,
        stride,
        padding=kernel_size // 2,
        groups=groups,
        bias=False,
        norm=BatchNorm2d(out_channels),
        activation=activation,
    )
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out")
    return convolution


class InvertedResidual(nn.Module):
    """A 1×1 convolution to more channels, a depthwise 3×3 convolution, and a linear 1×1 convolution.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: Stride of the depthwise convolution.
        expansion: Factor of the channels in between; without the first convolution if 1.
        activation: Activation of the first two convolutions.

    Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018, section 3.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, expansion: int, activation: Activation
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.expand = _conv(in_channels, hidden, 1, 1, 1, activation) if expansion > 1 else nn.Identity()
        self.depthwise = _conv(hidden, hidden, 3, stride, hidden, activation)
        self.project = _conv(hidden, out_channels, 1, 1, 1, None)
        self.shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, in_channels, H, W)` to `(B, out_channels, H / stride, W / stride)`."""
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.shortcut else y


class MobileNetV2(Backbone):
    """MobileNetV2 without its last convolution and classifier. The outputs are named `"stage1"` to `"stage7"`.

    Args:
        out_features: Names of the outputs.
        activation: `"relu6"`, or `"leaky_relu"` as in YOLOv3.

    Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018, Table 2.
    """

    def __init__(self, out_features: Sequence[str] = ("stage3", "stage5", "stage7"), activation: str = "relu6") -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"MobileNetV2: activation must be one of {', '.join(ACTIVATIONS)}, got {activation!r}")
        function = ACTIVATIONS[activation]
        self.stem = _conv(3, 32, 3, 2, 1, function)
        self.stage_names = [f"stage{i + 1}" for i in range(len(_STAGES))]
        channels, total_stride = 32, 2
        self._out_features = list(out_features)
        self._out_feature_channels, self._out_feature_strides = {}, {}
        for name, (expansion, width, count, stride) in zip(self.stage_names, _STAGES, strict=True):
            blocks = []
            for i in range(count):
                blocks.append(InvertedResidual(channels, width, stride if i == 0 else 1, expansion, function))
                channels = width
            self.add_module(name, nn.Sequential(*blocks))
            total_stride *= stride
            self._out_feature_channels[name], self._out_feature_strides[name] = width, total_stride

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
