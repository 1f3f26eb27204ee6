"""The decoupled head of YOLOX."""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .blocks import ConvStyle


class YOLOXLevel(nn.Module):
    """Two towers of 3×3 convolutions for one level: one for the classes, one for boxes and objectness.

    Args:
        in_channels: Channels of the level.
        channels: Channels of the towers.
        num_classes: Number of classes, `K`.
        depth: Convolutions per tower.
        style: The convolutions.
        prior_prob: Predicted probability of classes and objects at the start of training.
    """

    def __init__(
        self, in_channels: int, channels: int, num_classes: int, depth: int, style: ConvStyle, prior_prob: float
    ) -> None:
        super().__init__()
        widths = [in_channels, *[channels] * depth]
        self.cls_convs = nn.Sequential(*(style.spatial(a, b) for a, b in itertools.pairwise(widths)))
        self.reg_convs = nn.Sequential(*(style.spatial(a, b) for a, b in itertools.pairwise(widths)))
        self.cls_score = nn.Conv2d(channels, num_classes, 1)
        self.bbox_pred = nn.Conv2d(channels, 4, 1)
        self.objectness_logits = nn.Conv2d(channels, 1, 1)
        for layer in (self.cls_score, self.objectness_logits):
            nn.init.constant_(layer.bias, -math.log((1 - prior_prob) / prior_prob))  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map `(B, in_channels, H, W)` to class logits, deltas and objectness logits."""
        boxes = self.reg_convs(x)
        return self.cls_score(self.cls_convs(x)), self.bbox_pred(boxes), self.objectness_logits(boxes)


class YOLOXHead(nn.Module):
    """One `YOLOXLevel` per level.

    Args:
        in_channels: Channels of each level.
        channels: Channels of the towers.
        num_classes: Number of classes, `K`.
        depth: Convolutions per tower.
        depthwise: Whether the convolutions are depthwise separable.
        norm_eps: Constant added to the variance by the batch norms.
        prior_prob: Predicted probability of classes and objects at the start of training.

    Source: Ge et al., "YOLOX: Exceeding YOLO Series in 2021", 2021, Fig. 2.
    """

    def __init__(
        self,
        *,
        in_channels: Sequence[int],
        channels: int,
        num_classes: int,
        depth: int = 2,
        depthwise: bool = False,
        norm_eps: float = 1e-3,
        prior_prob: float = 0.01,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        style = ConvStyle(depthwise, norm_eps)
        self.levels = nn.ModuleList(
            YOLOXLevel(width, channels, num_classes, depth, style, prior_prob) for width in in_channels
        )

    def forward(self, features: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Map each level to class logits `(B, K, H, W)`, deltas `(B, 4, H, W)` and objectness `(B, 1, H, W)`."""
        outputs = [level(x) for level, x in zip(self.levels, features, strict=True)]
        logits, deltas, objectness = zip(*outputs, strict=True)
        return list(logits), list(deltas), list(objectness)


def best_class_only(scores: Tensor) -> Tensor:
    """Return scores `(…, K)` with zeros for all classes but the highest one."""
    best = scores.argmax(dim=-1, keepdim=True)
    classes = torch.arange(scores.shape[-1], device=scores.device)
    return scores * (classes == best).to(scores.dtype)
