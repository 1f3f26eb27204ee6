"""Semantic segmentation refined at uncertain points.

Source: Kirillov et al., "PointRend: Image Segmentation as Rendering", CVPR 2020, section 4.2.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .point_features import (
    get_uncertain_point_coords_on_grid,
    get_uncertain_point_coords_with_randomness,
    point_sample,
)

__all__ = ["PointRendSemSegHead", "calculate_semantic_uncertainty"]


def calculate_semantic_uncertainty(logits: Tensor) -> Tensor:
    """Return the second highest minus the highest logit, `(B, 1, ...)` from `(B, K, ...)`; at most 0."""
    best = logits.topk(2, dim=1).values
    return (best[:, 1] - best[:, 0]).unsqueeze(1)


class PointRendSemSegHead(nn.Module):
    """Refines the prediction of a semantic head at uncertain points.

    Args:
        coarse_sem_seg_head: A head with `layers`, `losses`, `ignore_value` and `common_stride`, like `SemSegFPNHead`.
        point_head: A `StandardPointHead` or equivalent.
        in_features: Names of the point head's feature maps.
        train_num_points: Points per image in training.
        oversample_ratio: Oversampling factor of the candidate points.
        importance_sample_ratio: Fraction of points selected by uncertainty.
        subdivision_steps: Number of times inference doubles the resolution.
        subdivision_num_points: Points refined per step and image.
    """

    def __init__(
        self,
        *,
        coarse_sem_seg_head: Any,
        point_head: nn.Module,
        in_features: Sequence[str],
        train_num_points: int = 2048,
        oversample_ratio: float = 3,
        importance_sample_ratio: float = 0.75,
        subdivision_steps: int = 2,
        subdivision_num_points: int = 8192,
    ) -> None:
        super().__init__()
        self.coarse_sem_seg_head: Any = coarse_sem_seg_head
        self.point_head: Any = point_head
        self.in_features = list(in_features)
        self.ignore_value: int = coarse_sem_seg_head.ignore_value
        self.common_stride: int = coarse_sem_seg_head.common_stride
        self.train_num_points = train_num_points
        self.oversample_ratio, self.importance_sample_ratio = oversample_ratio, importance_sample_ratio
        self.subdivision_steps, self.subdivision_num_points = subdivision_steps, subdivision_num_points

    def forward(
        self, features: Mapping[str, Tensor], targets: Tensor | None = None
    ) -> tuple[Tensor | None, dict[str, Tensor]]:
        """Return the losses (training) or logits (inference).

        Args:
            features: Feature maps `(B, C, H, W)` by name.
            targets: Class ids `(B, H', W')` in the resolution of the model input; required in training.

        Returns:
            The logits `(B, K, H'', W'')`, None in training, with the resolution of the coarse logits doubled
            `subdivision_steps` times; and the losses `loss_sem_seg` and `loss_sem_seg_point`, empty in inference.

        Raises:
            ValueError: If `targets` are missing in training.
        """
        coarse = self.coarse_sem_seg_head.layers(features)
        if self.training:
            if targets is None:
                raise ValueError("PointRendSemSegHead: targets are required in training")
            return None, self.losses(features, coarse, targets)
        logits = coarse
        for _ in range(self.subdivision_steps):
            logits = F.interpolate(logits, scale_factor=2, mode="bilinear", align_corners=False)
            indices, points = get_uncertain_point_coords_on_grid(
                calculate_semantic_uncertainty(logits), self.subdivision_num_points
            )
            refined = self._get_point_logits(features, coarse, points)  # (B, K, P)
            indices = indices[:, None].expand(-1, logits.shape[1], -1)
            logits = logits.flatten(2).scatter(2, indices, refined).view(logits.shape)
        return logits, {}

    def losses(self, features: Mapping[str, Tensor], coarse: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Return the loss of the coarse head and `loss_sem_seg_point`, the mean cross-entropy at the points."""
        with torch.no_grad():
            points = get_uncertain_point_coords_with_randomness(
                coarse,
                calculate_semantic_uncertainty,
                self.train_num_points,
                self.oversample_ratio,
                self.importance_sample_ratio,
            )
            grid = 2 * points[:, :, None] - 1
            labels = F.grid_sample(targets[:, None].to(grid.dtype), grid, mode="nearest", align_corners=False)
            labels = labels[:, 0, :, 0].long()  # (B, P)
        logits = self._get_point_logits(features, coarse, points)
        loss = F.cross_entropy(logits, labels, reduction="mean", ignore_index=self.ignore_value)
        return {**self.coarse_sem_seg_head.losses(coarse, targets), "loss_sem_seg_point": loss}

    def _get_point_logits(self, features: Mapping[str, Tensor], coarse: Tensor, points: Tensor) -> Tensor:
        fine = torch.cat([point_sample(features[name], points) for name in self.in_features], dim=1)
        return self.point_head(fine, point_sample(coarse, points))
