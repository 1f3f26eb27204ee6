"""Heads in which batch normalization sees shuffled regions, or all levels of a feature pyramid.

Source: Wu and Johnson, "Rethinking 'Batch' in BatchNorm", 2021, sections 5 and 6.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from detectory.modeling.meta_arch import RetinaNetHead
from detectory.modeling.roi_heads import FastRCNNConvFCHead, MaskRCNNConvUpsampleHead

from .shuffling import run_shuffled

__all__ = ["RetinaNetHeadSharedTraining", "ShuffledFastRCNNConvFCHead", "ShuffledMaskRCNNConvUpsampleHead"]


class ShuffledFastRCNNConvFCHead(FastRCNNConvFCHead):
    """`FastRCNNConvFCHead` that shuffles the regions of all processes in training; see `run_shuffled`."""

    def forward(self, x: Tensor) -> Tensor:
        """Map region features `(R, C, H, W)` to the features of `FastRCNNConvFCHead`, in the same order."""
        return run_shuffled(super().forward, x) if self.training else super().forward(x)


class ShuffledMaskRCNNConvUpsampleHead(MaskRCNNConvUpsampleHead):
    """`MaskRCNNConvUpsampleHead` that shuffles the regions of all processes in training; see `run_shuffled`."""

    def layers(self, x: Tensor) -> Tensor:
        """Map region features `(R, C, H, W)` to mask logits, in the same order."""
        return run_shuffled(super().layers, x) if self.training else super().layers(x)


class RetinaNetHeadSharedTraining(RetinaNetHead):
    """`RetinaNetHead` that normalizes the cells of all levels together."""

    def forward(self, features: Sequence[Tensor]) -> tuple[list[Tensor], ...]:
        """Map each level `(B, C, H, W)` to logits `(B, A * K, H, W)` and deltas `(B, A * 4, H, W)`."""
        logits = [self.cls_score(x) for x in _apply(self.cls_subnet, features)]
        deltas = [self.bbox_pred(x) for x in _apply(self.bbox_subnet, features)]
        return logits, deltas


def _apply(layers: nn.Sequential, levels: Sequence[Tensor]) -> list[Tensor]:
    """Apply layers to all levels; batch normalization is applied to the concatenated cells."""
    result = list(levels)
    for layer in layers:
        if isinstance(layer, nn.BatchNorm2d | nn.SyncBatchNorm):
            sizes = [x.shape[2] * x.shape[3] for x in result]
            cells = layer(torch.cat([x.flatten(2) for x in result], dim=2).unsqueeze(-1))  # (B, C, cells, 1)
            parts = cells.squeeze(-1).split(sizes, dim=2)
            result = [part.reshape(x.shape) for part, x in zip(parts, result, strict=True)]
        else:
            result = [layer(x) for x in result]
    return result
