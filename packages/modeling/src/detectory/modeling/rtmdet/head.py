"""The head of RTMDet: convolutions shared by all levels, with separate batch norms."""

import itertools
import math
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from detectory.modeling.yolo.blocks import ConvStyle

#: Functions from the output of the last layer to distances in strides.
DISTANCES = {"exp": lambda x: x.exp(), "relu": F.relu, "none": lambda x: x}


class SharedTower(nn.Module):
    """Convolutions that all levels share, with a batch norm per level and SiLU.

    Args:
        in_channels: Channels of the levels.
        channels: Output channels of the convolutions.
        depth: Number of convolutions.
        num_levels: Number of levels.
        style: The norms.
    """

    def __init__(self, in_channels: int, channels: int, depth: int, num_levels: int, style: ConvStyle) -> None:
        super().__init__()
        widths = [in_channels, *[channels] * depth]
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in itertools.pairwise(widths))
        self.norms = nn.ModuleList(nn.ModuleList(style.norm(channels) for _ in range(depth)) for _ in range(num_levels))
        for convolution in self.convs:
            nn.init.normal_(convolution.weight, std=0.01)  # type: ignore[arg-type]

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Map each level `(B, in_channels, H, W)` to `(B, channels, H, W)`."""
        outputs = []
        for x, norms in zip(features, self.norms, strict=True):
            assert isinstance(norms, nn.ModuleList)
            for convolution, norm in zip(self.convs, norms, strict=True):
                x = F.silu(norm(convolution(x)))
            outputs.append(x)
        return outputs


class RTMDetHead(nn.Module):
    """Two shared towers, and a 1×1 convolution per level for the class logits and for the four distances.

    Args:
        in_channels: Channels of the levels.
        channels: Channels of the towers.
        num_classes: Number of classes, `K`.
        strides: Stride of every level in pixels.
        depth: Convolutions per tower.
        distances: `"exp"` or `"none"`: function of the last layer's output. RTMDet-Tiny and -S use none.
        norm_eps: Constant added to the variance by the batch norms.
        prior_prob: Predicted probability of each class at the start of training.

    Source: Lyu et al., "RTMDet: An Empirical Study of Designing Real-Time Object Detectors", 2022, section 3.2.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        channels: int,
        num_classes: int,
        strides: Sequence[int] = (8, 16, 32),
        depth: int = 2,
        distances: str = "exp",
        norm_eps: float = 1e-5,
        prior_prob: float = 0.01,
    ) -> None:
        super().__init__()
        if distances not in DISTANCES:
            raise ValueError(f"RTMDetHead: distances must be one of {', '.join(DISTANCES)}, got {distances!r}")
        style = ConvStyle(norm_eps=norm_eps)
        self.strides = list(strides)
        self.distances = distances
        self.cls_tower = SharedTower(in_channels, channels, depth, len(strides), style)
        self.bbox_tower = SharedTower(in_channels, channels, depth, len(strides), style)
        self.levels = nn.ModuleList(
            nn.ModuleDict({"cls_score": nn.Conv2d(channels, num_classes, 1), "bbox_pred": nn.Conv2d(channels, 4, 1)})
            for _ in strides
        )
        for level in self.levels:
            init_predictors(level, prior_prob, distances)

    def forward(self, features: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Map each level to class logits `(B, K, H, W)` and distances in pixels `(B, 4, H, W)`."""
        classes, boxes = self.cls_tower(features), self.bbox_tower(features)
        logits = [level["cls_score"](x) for level, x in zip(self.levels, classes, strict=True)]  # type: ignore[index]
        return logits, level_distances(self.levels, boxes, self.strides, self.distances)


def init_predictors(level: nn.Module, prior_prob: float, distances: str) -> None:
    """Initialize the last layers of a level: low class probabilities, and boxes of about two strides."""
    for layer in level.children():
        nn.init.normal_(layer.weight, std=0.01)  # type: ignore[arg-type]
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    nn.init.constant_(level["cls_score"].bias, -math.log((1 - prior_prob) / prior_prob))  # type: ignore[index]
    nn.init.constant_(level["bbox_pred"].bias, 0.0 if distances == "exp" else 1.0)  # type: ignore[index]


def level_distances(
    levels: nn.ModuleList, features: Sequence[Tensor], strides: Sequence[int], function: str
) -> list[Tensor]:
    """Return the distances in pixels `(B, 4, H, W)` of each level, float32."""
    outputs = [level["bbox_pred"](x) for level, x in zip(levels, features, strict=True)]  # type: ignore[index]
    return [DISTANCES[function](x.float()) * stride for x, stride in zip(outputs, strides, strict=True)]
