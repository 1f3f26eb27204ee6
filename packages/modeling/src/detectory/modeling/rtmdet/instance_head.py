"""The head of RTMDet-Ins: boxes, classes, and the weights of the mask networks."""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from detectory.modeling.yolo.blocks import ConvStyle

from .head import SharedTower, init_predictors, level_distances
from .masks import DynamicMasks, MaskFeatures


class RTMDetInsHead(nn.Module):
    """One shared tower for classes and boxes, a tower per level for the mask weights, and the mask features.

    Args:
        in_channels: Channels of the levels.
        channels: Channels of the towers.
        num_classes: Number of classes, `K`.
        strides: Stride of every level in pixels.
        depth: Convolutions per tower.
        norm_eps: Constant added to the variance by the batch norms.
        prior_prob: Predicted probability of each class at the start of training.

    Source: Lyu et al., "RTMDet: An Empirical Study of Designing Real-Time Object Detectors", 2022, section 3.4.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        channels: int,
        num_classes: int,
        strides: Sequence[int] = (8, 16, 32),
        depth: int = 2,
        norm_eps: float = 1e-5,
        prior_prob: float = 0.01,
    ) -> None:
        super().__init__()
        style = ConvStyle(norm_eps=norm_eps)
        self.strides = list(strides)
        self.masks = DynamicMasks()
        widths = [in_channels, *[channels] * depth]
        self.tower = SharedTower(in_channels, channels, depth, len(strides), style)
        self.kernel_towers = nn.ModuleList(
            nn.Sequential(*(style.dense(a, b, 3) for a, b in itertools.pairwise(widths))) for _ in strides
        )
        self.levels = nn.ModuleList(
            nn.ModuleDict(
                {
                    "cls_score": nn.Conv2d(channels, num_classes, 1),
                    "bbox_pred": nn.Conv2d(channels, 4, 1),
                    "predictor": nn.Conv2d(channels, self.masks.num_parameters, 1),
                }
            )
            for _ in strides
        )
        for level in self.levels:
            init_predictors(level, prior_prob, "relu")
        self.mask_features = MaskFeatures(in_channels, channels, len(strides), norm_eps=norm_eps)

    def forward(self, features: Sequence[Tensor]) -> tuple[list[Tensor], ...]:
        """Map the levels to class logits, distances, mask weights `(B, P, H, W)`, and a list with the mask features."""
        shared = self.tower(features)
        logits = [level["cls_score"](x) for level, x in zip(self.levels, shared, strict=True)]  # type: ignore[index]
        distances = level_distances(self.levels, shared, self.strides, "relu")
        kernels = [
            level["predictor"](tower(x))  # type: ignore[index]
            for level, tower, x in zip(self.levels, self.kernel_towers, features, strict=True)
        ]
        return logits, distances, kernels, [self.mask_features(features)]

    def mask_logits(
        self, kernels: Sequence[Tensor], mask_features: Tensor, cells: Tensor, rows: Tensor | None = None
    ) -> Tensor:
        """Return the mask logits `(N, H, W)` of objects in one image.

        Args:
            kernels: Mask weights of each level, `(P, H, W)`.
            mask_features: `(num_prototypes, H, W)`.
            cells: `(N, 4)` squares of the cells, centered on their reference points.
            rows: `(N,)` indices of the cells over all levels; computed from `cells` by default.
        """
        strides = cells[:, 2] - cells[:, 0]
        points = cells[:, :2] + strides[:, None] / 2
        flat = torch.cat([level.flatten(1).T for level in kernels])
        if rows is None:
            rows = self._rows(points, strides, kernels)
        return self.masks(mask_features, flat[rows].float(), points, strides, self.strides[0])

    def _rows(self, points: Tensor, strides: Tensor, kernels: Sequence[Tensor]) -> Tensor:
        """Return the index of each cell over all levels."""
        column, row = (points / strides[:, None]).round().to(torch.int64).unbind(dim=1)
        rows = torch.zeros_like(row)
        start = 0
        for stride, level in zip(self.strides, kernels, strict=True):
            height, width = level.shape[-2:]
            rows = torch.where(strides.round() == stride, start + row * width + column, rows)
            start = start + height * width
        return rows
