"""Head of SSDLite."""

from collections.abc import Sequence

from torch import Tensor, nn

from detectory.modeling.backbone.mobilenet_v3 import conv_norm_act
from detectory.modeling.layers import init_predictor
from detectory.modeling.layers.norms import NormSpec


class SSDLiteHead(nn.Module):
    """One depthwise separable 3×3 convolution per level for the class logits, and one for the deltas.

    Args:
        in_channels: Channels of each level.
        num_anchors: Anchors per cell, for each level.
        num_classes: Number of classes without the background, `K`.
        norm: Norm after every depthwise convolution, as in `get_norm`.

    Source: Sandler et al., "MobileNetV2", 2018, section 6.2.
    """

    def __init__(
        self, *, in_channels: Sequence[int], num_anchors: Sequence[int], num_classes: int, norm: NormSpec = "BN"
    ) -> None:
        super().__init__()
        pairs = list(zip(in_channels, num_anchors, strict=True))
        self.cls_score = nn.ModuleList(_separable(c, a * (num_classes + 1), norm) for c, a in pairs)
        self.bbox_pred = nn.ModuleList(_separable(c, a * 4, norm) for c, a in pairs)

    def forward(self, features: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Map each level to logits `(B, A * (K + 1), H, W)`, the background last, and deltas `(B, A * 4, H, W)`."""
        logits = [layer(x) for layer, x in zip(self.cls_score, features, strict=True)]
        deltas = [layer(x) for layer, x in zip(self.bbox_pred, features, strict=True)]
        return logits, deltas


def _separable(in_channels: int, out_channels: int, norm: NormSpec) -> nn.Sequential:
    """Return a depthwise 3×3 convolution and a 1×1 convolution."""
    depthwise = conv_norm_act(in_channels, in_channels, 3, groups=in_channels, norm=norm, activation=nn.ReLU6())
    pointwise = nn.Conv2d(in_channels, out_channels, 1)
    for layer in (depthwise, pointwise):
        init_predictor(layer, std=0.03)
    return nn.Sequential(depthwise, pointwise)
