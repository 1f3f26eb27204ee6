"""Additional levels of SSDLite on a mobile backbone."""

from collections.abc import Sequence

from torch import Tensor, nn

from detectory.modeling.layers.norms import NormSpec

from .backbone import Backbone
from .mobilenet_v3 import conv_norm_act


class SSDLiteLevels(Backbone):
    """A backbone with levels of decreasing resolution, computed by depthwise separable convolutions.

    The outputs are those of the backbone and `"extra0"`, `"extra1"`, …, each with half of the previous resolution.

    Args:
        bottom_up: The backbone; its last output is the input of the first additional level.
        channels: Channels of every additional level.
        norm: Norm after every convolution, as in `get_norm`.

    Source: Sandler et al., "MobileNetV2", 2018, section 6.2.
    """

    def __init__(
        self, bottom_up: Backbone, channels: Sequence[int] = (512, 256, 256, 128), norm: NormSpec = "BN"
    ) -> None:
        super().__init__()
        self.bottom_up = bottom_up
        shapes = bottom_up.output_shape()
        self._out_features = list(shapes)
        self._out_feature_channels = {name: shape.channels or 0 for name, shape in shapes.items()}
        self._out_feature_strides = {name: shape.stride or 1 for name, shape in shapes.items()}
        self._last = self._out_features[-1]
        width, stride = self._out_feature_channels[self._last], self._out_feature_strides[self._last]
        self.extra_layers = nn.ModuleList()
        for i, out_channels in enumerate(channels):
            hidden = out_channels // 2
            self.extra_layers.append(
                nn.Sequential(
                    conv_norm_act(width, hidden, norm=norm, activation=nn.ReLU6()),
                    conv_norm_act(hidden, hidden, 3, 2, groups=hidden, norm=norm, activation=nn.ReLU6()),
                    conv_norm_act(hidden, out_channels, norm=norm, activation=nn.ReLU6()),
                )
            )
            width, stride = out_channels, stride * 2
            self._out_features.append(f"extra{i}")
            self._out_feature_channels[f"extra{i}"], self._out_feature_strides[f"extra{i}"] = width, stride

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images `(B, 3, H, W)` to feature maps by name."""
        outputs = dict(self.bottom_up(x))
        x = outputs[self._last]
        for i, level in enumerate(self.extra_layers):
            x = level(x)
            outputs[f"extra{i}"] = x
        return outputs
