"""Decoder: merges the levels of a feature pyramid into one feature map.

Source: Kirillov et al., "Panoptic Feature Pyramid Networks", 2019, section 3.2.
"""

import math
from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from detectory.modeling.layers import Conv2d, ShapeSpec, c2_msra_fill, get_norm


class Decoder(nn.Module):
    """Convolutions and upsampling of each level to a common stride, summed and projected.

    Args:
        input_shape: Channels and stride of the feature maps by name.
        in_features: Names of the levels.
        conv_dims: Channels of the convolutions.
        num_classes: Channels of the output.
        norm: Norm after each convolution, as in `get_norm`.
        common_stride: Stride of the output.
    """

    def __init__(
        self,
        input_shape: Mapping[str, ShapeSpec],
        in_features: Sequence[str],
        conv_dims: int = 256,
        num_classes: int = 256,
        norm: str = "",
        common_stride: int = 4,
    ) -> None:
        super().__init__()
        self.in_features = list(in_features)
        for name in self.in_features:
            channels, stride = input_shape[name].channels, input_shape[name].stride
            doublings = max(0, round(math.log2(stride / common_stride)))
            layers: list[nn.Module] = []
            for _ in range(max(1, doublings)):
                layer = Conv2d(
                    channels, conv_dims, 3, padding=1, bias=not norm, norm=get_norm(norm, conv_dims), activation=F.relu
                )
                c2_msra_fill(layer)
                layers.append(layer)
                if doublings:
                    layers.append(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False))
                channels = conv_dims
            self.add_module(name, nn.Sequential(*layers))
        self.predictor = Conv2d(conv_dims, num_classes, kernel_size=1)
        c2_msra_fill(self.predictor)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Map the levels, in the order of `in_features`, to one map `(B, num_classes, H, W)` of the common stride."""
        total = None
        for name, level in zip(self.in_features, features, strict=True):
            scaled = getattr(self, name)(level)
            total = scaled if total is None else total + scaled
        return self.predictor(total)
