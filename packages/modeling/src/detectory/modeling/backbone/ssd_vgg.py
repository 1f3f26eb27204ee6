"""VGG-16 with the additional layers of SSD."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory.modeling.layers import c2_xavier_fill

from .backbone import Backbone

#: Output channels of VGG-16's convolutions; "M" is a pooling layer.
_VGG16 = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512)

#: Index of the last layer before the pooling that halves the resolution of `conv4_3`.
_CONV4_3 = 22


@dataclass(frozen=True)
class ExtraLevel:
    """A 1×1 convolution to `hidden` channels, and a convolution of size `kernel` to `channels` channels."""

    hidden: int
    channels: int
    kernel: int
    stride: int
    padding: int


#: Additional levels for images of 300 × 300 pixels.
SSD300_LEVELS = (
    ExtraLevel(256, 512, 3, 2, 1),
    ExtraLevel(128, 256, 3, 2, 1),
    ExtraLevel(128, 256, 3, 1, 0),
    ExtraLevel(128, 256, 3, 1, 0),
)

#: Additional levels for images of 512 × 512 pixels.
SSD512_LEVELS = (
    ExtraLevel(256, 512, 3, 2, 1),
    ExtraLevel(128, 256, 3, 2, 1),
    ExtraLevel(128, 256, 3, 2, 1),
    ExtraLevel(128, 256, 3, 2, 1),
    ExtraLevel(128, 256, 4, 1, 1),
)


class L2Norm(nn.Module):
    """Division of every feature vector by its L2 norm, followed by a learned factor per channel.

    Args:
        channels: Channels of the input.
        scale: Initial value of the factors.

    Source: Liu et al., "ParseNet: Looking Wider to See Better", 2015, section 3.3.
    """

    def __init__(self, channels: int, scale: float = 20.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), scale))

    def forward(self, x: Tensor) -> Tensor:
        """Normalize `(B, channels, H, W)`."""
        norm = x.float().square().sum(dim=1, keepdim=True).sqrt() + 1e-10
        return (self.weight.float()[:, None, None] * x.float() / norm).to(x.dtype)


class SSDVGG(Backbone):
    """VGG-16 without its classifier, and levels of decreasing resolution.

    The outputs are `"conv4_3"` with normalized features, `"fc7"`, and `"extra0"`, `"extra1"`, …

    Args:
        extra_levels: The additional levels, `SSD300_LEVELS` or `SSD512_LEVELS`, or sequences of their five numbers.

    Source: Liu et al., "SSD: Single Shot MultiBox Detector", 2016, section 2.1 and Fig. 2.
    """

    def __init__(self, extra_levels: Sequence[ExtraLevel | Sequence[int]] = SSD300_LEVELS) -> None:
        super().__init__()
        levels = [level if isinstance(level, ExtraLevel) else ExtraLevel(*level) for level in extra_levels]
        self.features = nn.Sequential(*_vgg_layers())
        self.l2_norm = L2Norm(512)
        self.extra_layers = nn.ModuleList()
        channels = 1024
        for level in levels:
            self.extra_layers.append(
                nn.ModuleList(
                    [
                        nn.Conv2d(channels, level.hidden, 1),
                        nn.Conv2d(level.hidden, level.channels, level.kernel, level.stride, level.padding),
                    ]
                )
            )
            channels = level.channels
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                c2_xavier_fill(module)
        self._out_features = ["conv4_3", "fc7", *(f"extra{i}" for i in range(len(levels)))]
        widths = [512, 1024, *(level.channels for level in levels)]
        self._out_feature_channels = dict(zip(self._out_features, widths, strict=True))
        strides = [8, 16]
        for level in levels:
            strides.append(strides[-1] * level.stride)
        self._out_feature_strides = dict(zip(self._out_features, strides, strict=True))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images `(B, 3, H, W)` to feature maps by name."""
        outputs: dict[str, Tensor] = {}
        for i, layer in enumerate(self.features):
            x = layer(x)
            if i == _CONV4_3:
                outputs["conv4_3"] = self.l2_norm(x)
        outputs["fc7"] = x
        for i, level in enumerate(self.extra_layers):
            assert isinstance(level, nn.ModuleList)
            for convolution in level:
                x = F.relu(convolution(x))
            outputs[f"extra{i}"] = x
        return outputs


def _vgg_layers() -> list[nn.Module]:
    """Return VGG-16's layers up to `conv5_3`, and the fully connected layers fc6 and fc7 as convolutions.

    The last pooling keeps the resolution, and fc6 is dilated to keep its field of view.
    """
    layers: list[nn.Module] = []
    channels = 3
    for entry in _VGG16:
        if isinstance(entry, int):
            layers += [nn.Conv2d(channels, entry, 3, padding=1), nn.ReLU()]
            channels = entry
        else:
            layers.append(nn.MaxPool2d(2, 2, ceil_mode=True))
    layers.append(nn.MaxPool2d(3, 1, padding=1))
    layers += [nn.Conv2d(512, 1024, 3, padding=6, dilation=6), nn.ReLU(), nn.Conv2d(1024, 1024, 1), nn.ReLU()]
    return layers
