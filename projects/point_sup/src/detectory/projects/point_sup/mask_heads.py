"""Mask heads with a loss at annotated points in place of a loss on masks.

Source: Cheng, Parkhi and Kirillov, "Pointly-Supervised Instance Segmentation", CVPR 2022, sections 3.2 and 4.
"""

from collections.abc import Sequence

from torch import Tensor

from detectory.modeling.roi_heads import MaskRCNNConvUpsampleHead
from detectory.projects.point_rend import ImplicitPointRendMaskHead, point_sample, roi_mask_point_loss
from detectory.structures import Instances

from .point_targets import get_point_coords_from_point_annotation

__all__ = ["ImplicitPointRendPointSupHead", "MaskRCNNConvUpsamplePointSupHead", "point_mask_loss"]


def point_mask_loss(mask_logits: Tensor, instances: Sequence[Instances]) -> Tensor:
    """Return the mean binary cross-entropy of predicted masks at the annotated points.

    Args:
        mask_logits: `(R, K, S, S)`, or `(R, 1, S, S)` if class-agnostic.
        instances: Foreground proposals per image; see `get_point_coords_from_point_annotation`.

    Returns:
        A scalar; 0, connected to the graph, without regions.
    """
    if mask_logits.shape[0] == 0:
        return mask_logits.sum() * 0
    points, labels = get_point_coords_from_point_annotation(instances)
    return roi_mask_point_loss(point_sample(mask_logits, points), instances, labels)


class MaskRCNNConvUpsamplePointSupHead(MaskRCNNConvUpsampleHead):
    """`MaskRCNNConvUpsampleHead` trained with labeled points; predictions are interpolated between mask cells."""

    def forward(self, x: Tensor, instances: Sequence[Instances]) -> dict[str, Tensor] | Sequence[Instances]:
        """Return `{"loss_mask": loss}` in training; in inference set `pred_masks` and return `instances`."""
        if self.training:
            return {"loss_mask": point_mask_loss(self.layers(x), instances) * self.loss_weight}
        return super().forward(x, instances)


class ImplicitPointRendPointSupHead(ImplicitPointRendMaskHead):
    """`ImplicitPointRendMaskHead` trained with labeled points instead of points sampled from masks."""

    def _uniform_sample_train_points(self, instances: Sequence[Instances]) -> tuple[Tensor, Tensor]:
        return get_point_coords_from_point_annotation(instances)
