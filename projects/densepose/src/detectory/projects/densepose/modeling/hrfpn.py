"""Feature pyramid on HRNet."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from detectory.modeling.backbone import Backbone
from detectory.modeling.layers import ShapeSpec


class HRFPN(Backbone):
    """Feature pyramid on HRNet: all branches at the finest resolution, concatenated, then pooled by convolutions.

    The outputs `"p1"` to `"p5"` have strides 4 to 64.

    Args:
        bottom_up: `PoseHigherResolutionNet` or a backbone with outputs of strides 4, 8, 16 and 32.
        in_features: Names of its outputs.
        n_out_features: Number of levels.
        out_channels: Channels of every level.

    Source: Sun et al., "High-Resolution Representations for Labeling Pixels and Regions", 2019, section 3.
    """

    def __init__(
        self,
        bottom_up: Backbone,
        in_features: Sequence[str] = ("res2", "res3", "res4", "res5"),
        n_out_features: int = 5,
        out_channels: int = 256,
    ) -> None:
        super().__init__()
        self.bottom_up, self.in_features = bottom_up, list(in_features)
        shapes: dict[str, ShapeSpec] = bottom_up.output_shape()
        widths = [shapes[name].channels for name in self.in_features]
        self.interp_conv = nn.ModuleList(
            nn.Sequential(
                nn.ConvTranspose2d(width, width, 4, stride=2**level, bias=False), nn.BatchNorm2d(width), nn.ReLU()
            )
            for level, width in enumerate(widths)
        )
        self.reduction_pooling_conv = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(sum(widths), out_channels, 2**level, stride=2**level),
                nn.BatchNorm2d(out_channels),
                nn.ReLU(),
            )
            for level in range(n_out_features)
        )
        self.fpn_conv = nn.ModuleList(
            nn.Conv2d(out_channels, out_channels, 3, padding=1) for _ in range(n_out_features)
        )
        self._out_features = [f"p{level}" for level in range(1, n_out_features + 1)]
        self._out_feature_channels = dict.fromkeys(self._out_features, out_channels)
        self._out_feature_strides = {name: 4 * 2**i for i, name in enumerate(self._out_features)}

    @property
    def size_divisibility(self) -> int:
        """The stride of the coarsest branch."""
        return 32

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images `(B, 3, H, W)` to the levels by name.

        The transposed convolutions are not padded, so that the enlarged branches differ by up to 7 cells; they are cut
        to the smallest one. The levels are cut such that each has exactly twice the size of the next coarser one.
        """
        maps = self.bottom_up(x)
        enlarged = [layer(maps[name]) for layer, name in zip(self.interp_conv, self.in_features, strict=True)]
        height, width = (min(y.shape[axis] for y in enlarged) for axis in (2, 3))
        joined = torch.cat([y[:, :, :height, :width] for y in enlarged], dim=1)
        pooled = [pool(joined) for pool in self.reduction_pooling_conv]
        height, width = pooled[-1].shape[2:]
        levels = []
        for doublings, (level, output) in enumerate(zip(reversed(pooled), list(self.fpn_conv)[::-1], strict=True)):
            levels.append(output(level[:, :, : height * 2**doublings, : width * 2**doublings]))
        levels.reverse()
        return dict(zip(self._out_features, levels, strict=True))
