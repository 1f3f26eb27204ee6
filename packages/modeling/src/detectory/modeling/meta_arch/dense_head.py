"""The two towers of convolutions that RetinaNet and FCOS put on every level."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from detectory.modeling.layers import CycleBatchNormList, ShapeSpec, get_norm, init_predictor
from detectory.modeling.layers.norms import NormSpec


class RetinaNetHead(nn.Module):
    """One tower of 3×3 convolutions for classes, one for boxes, shared by all levels.

    Args:
        input_shape: Shape of every level, all with the same channels.
        num_classes: `K`.
        num_anchors: Anchors of a cell.
        conv_dims: Channels of each convolution of a tower.
        norm: Norm behind every convolution, as `get_norm` takes it. Batch norms keep statistics for
            each level apart and share their scale.
        prior_prob: Probability of every class at the start of training.

    Source: Lin et al., "Focal Loss for Dense Object Detection", 2017, section 4.
    """

    def __init__(
        self,
        *,
        input_shape: Sequence[ShapeSpec],
        num_classes: int,
        num_anchors: int,
        conv_dims: Sequence[int],
        norm: NormSpec = "",
        prior_prob: float = 0.01,
    ) -> None:
        super().__init__()
        levels = len(input_shape)
        if len({shape.channels for shape in input_shape}) != 1:
            raise ValueError(f"{type(self).__name__}: all levels must have the same channels, got {list(input_shape)}")
        if not conv_dims:
            raise ValueError(f"{type(self).__name__}: conv_dims must not be empty")
        if num_classes < 1 or not 0 < prior_prob < 1:
            raise ValueError(
                f"{type(self).__name__}: num_classes must be positive and prior_prob in (0, 1),"
                f" got {num_classes} and {prior_prob}"
            )
        self.num_classes = num_classes
        channels = input_shape[0].channels
        self.cls_subnet = self._tower(channels, conv_dims, norm, levels)
        self.bbox_subnet = self._tower(channels, conv_dims, norm, levels)
        self.cls_score = nn.Conv2d(conv_dims[-1], num_anchors * num_classes, 3, padding=1)
        self.bbox_pred = nn.Conv2d(conv_dims[-1], num_anchors * 4, 3, padding=1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                init_predictor(module, std=0.01)
        # Equation of section 3.3: without it the many easy negatives drown the first iterations.
        prior = -math.log((1 - prior_prob) / prior_prob)
        self.cls_score.bias = nn.Parameter(torch.full((num_anchors * num_classes,), prior))

    @staticmethod
    def _tower(channels: int, conv_dims: Sequence[int], norm: NormSpec, levels: int) -> nn.Sequential:
        layers: list[nn.Module] = []
        for dim in conv_dims:
            layers.append(nn.Conv2d(channels, dim, 3, padding=1))
            if norm in ("BN", "SyncBN"):
                kind = nn.BatchNorm2d if norm == "BN" else nn.SyncBatchNorm
                layers.append(CycleBatchNormList(levels, bn_class=kind, num_features=dim))
            else:
                other = get_norm(norm, dim)
                layers += [other] if other is not None else []
            layers.append(nn.ReLU())
            channels = dim
        return nn.Sequential(*layers)

    def forward(self, features: Sequence[Tensor]) -> tuple[list[Tensor], ...]:
        """Map levels `(B, C, H, W)` to logits `(B, A * K, H, W)` and deltas `(B, A * 4, H, W)`."""
        logits = [self.cls_score(self.cls_subnet(x)) for x in features]
        deltas = [self.bbox_pred(self.bbox_subnet(x)) for x in features]
        return logits, deltas


class FCOSHead(RetinaNetHead):
    """`RetinaNetHead` with one location a cell and a centre-ness beside the box.

    Args:
        input_shape: Shape of every level.
        conv_dims: Channels of each convolution of a tower.
        kwargs: Further arguments of `RetinaNetHead`, without `num_anchors`.

    Source: Tian et al., "FCOS", 2019, figure 2.
    """

    def __init__(self, *, input_shape: Sequence[ShapeSpec], conv_dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(input_shape=input_shape, conv_dims=conv_dims, num_anchors=1, **kwargs)
        self.ctrness = nn.Conv2d(conv_dims[-1], 1, 3, padding=1)
        init_predictor(self.ctrness, std=0.01)

    def forward(self, features: Sequence[Tensor]) -> tuple[list[Tensor], ...]:
        """Map levels to logits `(B, K, H, W)`, deltas `(B, 4, H, W)` and centre-ness logits `(B, 1, H, W)`."""
        logits = [self.cls_score(self.cls_subnet(x)) for x in features]
        boxes = [self.bbox_subnet(x) for x in features]
        return logits, [self.bbox_pred(x) for x in boxes], [self.ctrness(x) for x in boxes]
