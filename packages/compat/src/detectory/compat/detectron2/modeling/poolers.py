"""ROI pooler under Detectron2's module path."""

import torch

from detectory.compat.detectron2.layers.wrappers import cat, nonzero_tuple
from detectory.modeling.layers import ROIAlign, ROIAlignRotated
from detectory.modeling.poolers import ROIPooler, assign_boxes_to_levels, convert_boxes_to_pooler_format

__all__ = [
    "ROIAlign",
    "ROIAlignRotated",
    "ROIPooler",
    "_create_zeros",
    "assign_boxes_to_levels",
    "cat",
    "convert_boxes_to_pooler_format",
    "nonzero_tuple",
]


def _create_zeros(
    batch_target: torch.Tensor | None, channels: int, height: int, width: int, like_tensor: torch.Tensor
) -> torch.Tensor:
    """Return zeros `(R, channels, height, width)` with as many rows as `batch_target`; None means no rows."""
    rows = 0 if batch_target is None else batch_target.shape[0]
    return like_tensor.new_zeros(rows, channels, height, width)
