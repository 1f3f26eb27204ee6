"""Path aggregation of cross-stage partial layers: the neck of YOLOX and RTMDet."""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory.modeling.backbone import Backbone

from .blocks import ConvStyle, CSPLayer


class CSPPAFPN(Backbone):
    """A top-down and a bottom-up pathway over the levels of a backbone.

    The outputs are named `"p<k>"` and have stride `2 ** k`.

    Args:
        bottom_up: The backbone.
        in_features: Names of the backbone outputs, from fine to coarse; `None` for all. Each stride is twice the
            previous one.
        out_channels: Channels of every output.
        depth: Number of blocks per cross-stage partial layer.
        block: Key of `BLOCKS`.
        out_kernel_size: Kernel size of the last convolution of each level: 1 in YOLOX, 3 in RTMDet.
        depthwise: Whether convolutions above 1×1 are depthwise separable.
        norm_eps: Constant added to the variance by the batch norms.

    Source: Liu et al., "Path Aggregation Network for Instance Segmentation", 2018, section 3.1.
    """

    def __init__(
        self,
        bottom_up: Backbone,
        in_features: Sequence[str] | None = None,
        *,
        out_channels: int,
        depth: int = 3,
        block: str = "darknet",
        out_kernel_size: int = 1,
        depthwise: bool = False,
        norm_eps: float = 1e-3,
    ) -> None:
        super().__init__()
        style = ConvStyle(depthwise, norm_eps)
        shapes = bottom_up.output_shape()
        self.bottom_up = bottom_up
        self.in_features = list(shapes if in_features is None else in_features)
        channels = [int(shapes[name].channels or 0) for name in self.in_features]
        strides = [int(shapes[name].stride or 0) for name in self.in_features]
        pairs = list(itertools.pairwise(channels))  # (fine, coarse), from fine to coarse

        def merge(fine: int, out: int) -> CSPLayer:
            return CSPLayer(2 * fine, out, depth, block=block, shortcut=False, style=style)

        # From coarse to fine.
        self.reduce = nn.ModuleList(style.dense(coarse, fine) for fine, coarse in reversed(pairs))
        self.top_down = nn.ModuleList(merge(fine, fine) for fine, _ in reversed(pairs))
        # From fine to coarse.
        self.downsample = nn.ModuleList(style.spatial(fine, fine, 3, stride=2) for fine, _ in pairs)
        self.aggregate = nn.ModuleList(merge(fine, coarse) for fine, coarse in pairs)
        self.output = nn.ModuleList(style.dense(width, out_channels, out_kernel_size) for width in channels)
        self._out_feature_strides = {f"p{int(math.log2(stride))}": stride for stride in strides}
        self._out_features = list(self._out_feature_strides)
        self._out_feature_channels = dict.fromkeys(self._out_features, out_channels)

    @property
    def size_divisibility(self) -> int:
        """The stride of the coarsest level."""
        return max(self._out_feature_strides.values())

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images `(B, 3, H, W)` to `{"p<k>": (B, out_channels, H / 2**k, W / 2**k)}`, from fine to coarse."""
        features = self.bottom_up(x)
        levels = [features[name] for name in self.in_features]
        inner = [levels[-1]]  # the finest first
        for reduce, top_down, finer in zip(self.reduce, self.top_down, reversed(levels[:-1]), strict=True):
            inner[0] = reduce(inner[0])
            upsampled = F.interpolate(inner[0], scale_factor=2.0, mode="nearest")
            inner.insert(0, top_down(torch.cat((upsampled, finer), dim=1)))
        outputs = inner[:1]
        for downsample, aggregate, coarser in zip(self.downsample, self.aggregate, inner[1:], strict=True):
            outputs.append(aggregate(torch.cat((downsample(outputs[-1]), coarser), dim=1)))
        return {name: layer(x) for name, layer, x in zip(self._out_features, self.output, outputs, strict=True)}
