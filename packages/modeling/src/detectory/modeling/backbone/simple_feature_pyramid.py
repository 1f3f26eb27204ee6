"""Feature pyramid on a single feature map, for plain transformers."""

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from detectory.core.suggestions import nearest
from detectory.modeling.layers import Conv2d, get_norm
from detectory.modeling.layers.norms import NormSpec

from .backbone import Backbone


class SimpleFeaturePyramid(Backbone):
    """Feature pyramid on the last feature map of a plain backbone; the levels do not exchange information.

    The outputs are named `"p<k>"` and have stride `2 ** k`.

    Args:
        net: The backbone.
        in_feature: Name of the backbone output to use.
        out_channels: Channels of every level.
        scale_factors: Resolution of each level relative to the input feature map, in descending order: 4, 2, 1 or 0.5.
        top_block: Module that computes additional coarser levels, as in `FPN`.
        norm: Norm after every convolution, as in `get_norm`. Without a norm, convolutions have a bias.
        square_pad: Side length of the square that images are padded to; 0 for the minimal padding.

    Raises:
        ValueError: If `in_feature` is unknown or a scale factor is not supported.

    Source: Li et al., "Exploring Plain Vision Transformer Backbones", 2022, section 3 and Fig. 2.
    """

    def __init__(
        self,
        net: Backbone,
        in_feature: str,
        out_channels: int,
        scale_factors: Sequence[float],
        top_block: Any = None,
        norm: NormSpec = "LN",
        square_pad: int = 0,
    ) -> None:
        super().__init__()
        shapes = net.output_shape()
        if in_feature not in shapes:
            raise ValueError(f"SimpleFeaturePyramid: net has no output {in_feature!r}; {nearest(in_feature, shapes)}")
        dim = shapes[in_feature].channels
        strides = [int(shapes[in_feature].stride / scale) for scale in scale_factors]
        self._stages: list[str] = []
        for scale, level_stride in zip(scale_factors, strides, strict=True):
            layers, channels = _rescale(dim, scale, norm)
            for in_channels, kernel_size in ((channels, 1), (out_channels, 3)):
                layers.append(
                    Conv2d(
                        in_channels,
                        out_channels,
                        kernel_size,
                        padding=kernel_size // 2,
                        bias=not norm,
                        norm=get_norm(norm, out_channels),
                    )
                )
            name = f"simfp_{int(math.log2(level_stride))}"
            self.add_module(name, nn.Sequential(*layers))
            self._stages.append(name)
        self.net = net
        self.in_feature = in_feature
        self.top_block: Any = top_block
        self.square_pad = square_pad
        levels = [int(math.log2(level_stride)) for level_stride in strides]
        levels += [levels[-1] + i + 1 for i in range(top_block.num_levels if top_block is not None else 0)]
        self._out_feature_strides = {f"p{k}": 2**k for k in levels}
        self._out_features = list(self._out_feature_strides)
        self._out_feature_channels = dict.fromkeys(self._out_features, out_channels)
        self._size_divisibility = strides[-1]

    @property
    def size_divisibility(self) -> int:
        """The stride of the coarsest level without the top block."""
        return self._size_divisibility

    @property
    def padding_constraints(self) -> dict[str, int]:
        """The square that images are padded to, if there is one."""
        return {"square_size": self.square_pad} if self.square_pad else {}

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images `(B, C, H, W)` to `{"p<k>": (B, out_channels, H / 2**k, W / 2**k)}`, from fine to coarse."""
        features = self.net(x)
        outputs = [getattr(self, name)(features[self.in_feature]) for name in self._stages]
        if self.top_block is not None:
            source = self.top_block.in_feature
            top = features[source] if source in features else outputs[self._out_features.index(source)]
            outputs.extend(self.top_block(top))
        return dict(zip(self._out_features, outputs, strict=True))


def _rescale(dim: int, scale: float, norm: NormSpec) -> tuple[list[nn.Module], int]:
    """Return layers that rescale a feature map of `dim` channels by `scale`, and their number of output channels."""
    if scale == 4.0:
        first = nn.ConvTranspose2d(dim, dim // 2, kernel_size=2, stride=2)
        second = nn.ConvTranspose2d(dim // 2, dim // 4, kernel_size=2, stride=2)
        # `Identity` keeps the indices of the layers, which are part of the parameter names, independent of the norm.
        return [first, get_norm(norm, dim // 2) or nn.Identity(), nn.GELU(), second], dim // 4
    if scale == 2.0:
        return [nn.ConvTranspose2d(dim, dim // 2, kernel_size=2, stride=2)], dim // 2
    if scale == 1.0:
        return [], dim
    if scale == 0.5:
        return [nn.MaxPool2d(kernel_size=2, stride=2)], dim
    raise ValueError(f"SimpleFeaturePyramid: scale_factors must be 4, 2, 1 or 0.5, got {scale}")
