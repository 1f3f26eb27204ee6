"""Keypoints under Detectron2's module path."""

import torch

from detectory.structures import Keypoints, heatmaps_to_keypoints

__all__ = ["Keypoints", "heatmaps_to_keypoints"]


def _keypoints_to_heatmap(
    keypoints: torch.Tensor, rois: torch.Tensor, heatmap_size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the heatmap cell of each keypoint and whether it is valid; see `Keypoints.to_heatmap`.

    Args:
        keypoints: `(N, K, 3)`, as `(x, y, visibility)`.
        rois: `(N, 4)` boxes.
        heatmap_size: Cells along each side of a heatmap.

    Returns:
        Cells `(N, K)` and 1 for valid keypoints `(N, K)`, both int64.
    """
    if rois.numel() == 0:
        return rois.new_zeros(0, dtype=torch.int64), rois.new_zeros(0, dtype=torch.int64)
    cells, valid = Keypoints(keypoints).to_heatmap(rois, heatmap_size)
    return cells, valid.to(torch.int64)
