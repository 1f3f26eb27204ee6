"""PointRend's mask head: coarse masks refined at uncertain points.

Source: Kirillov et al., "PointRend: Image Segmentation as Rendering", CVPR 2020, sections 3 and 4.1.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from detectory.modeling.roi_heads import mask_rcnn_inference, mask_rcnn_loss
from detectory.modeling.roi_heads.mask_head import class_channel
from detectory.structures import Boxes, Instances

from .point_features import (
    generate_regular_grid_point_coords,
    get_point_coords_wrt_image,
    get_uncertain_point_coords_with_randomness,
    point_sample,
    point_sample_fine_grained_features,
    sample_point_labels,
)
from .point_head import roi_mask_point_loss
from .subdivision import refine_by_subdivision

__all__ = ["PointRendMaskHead", "calculate_uncertainty"]


def calculate_uncertainty(logits: Tensor, classes: Tensor) -> Tensor:
    """Return the uncertainty `(R, 1, ...)` of each region's class logit; the maximum is 0, at the decision boundary.

    Args:
        logits: `(R, K or 1, ...)`.
        classes: `(R,)`.
    """
    return -class_channel(logits, classes).abs().unsqueeze(1)


class PointRendMaskHead(nn.Module):
    """Predicts a coarse mask per region and refines it at uncertain points.

    A mask head of `StandardROIHeads` without a pooler, so that it receives the feature maps.

    Args:
        coarse_head: A `CoarseMaskHead` or equivalent.
        point_head: A `StandardPointHead` or equivalent; None disables the refinement.
        strides: Stride of each feature map in pixels.
        coarse_in_features: Names of the coarse head's feature maps.
        point_in_features: Names of the point head's feature maps.
        coarse_grid_size: Side of the grid on which the coarse head's features are sampled.
        train_num_points: Points per region in training.
        oversample_ratio: Oversampling factor of the candidate points.
        importance_sample_ratio: Fraction of points selected by uncertainty.
        subdivision_steps: Number of times inference doubles the resolution of the coarse mask.
        subdivision_num_points: Points refined per step.
    """

    def __init__(
        self,
        *,
        coarse_head: nn.Module | None,
        point_head: nn.Module | None,
        strides: Mapping[str, int],
        coarse_in_features: Sequence[str],
        point_in_features: Sequence[str] = (),
        coarse_grid_size: int = 14,
        train_num_points: int = 196,
        oversample_ratio: float = 3,
        importance_sample_ratio: float = 0.75,
        subdivision_steps: int = 5,
        subdivision_num_points: int = 784,
    ) -> None:
        super().__init__()
        self.coarse_head: Any = coarse_head
        self.point_head: Any = point_head
        self._scales = {name: 1.0 / stride for name, stride in strides.items()}
        self.coarse_in_features, self.point_in_features = list(coarse_in_features), list(point_in_features)
        self.coarse_grid_size = coarse_grid_size
        self.train_num_points = train_num_points
        self.oversample_ratio, self.importance_sample_ratio = oversample_ratio, importance_sample_ratio
        self.subdivision_steps, self.subdivision_num_points = subdivision_steps, subdivision_num_points

    def forward(
        self, features: Mapping[str, Tensor], instances: Sequence[Instances]
    ) -> dict[str, Tensor] | Sequence[Instances]:
        """Predict masks.

        Args:
            features: Feature maps of the batch by name.
            instances: Regions per image: foreground proposals in training, detections in inference.

        Returns:
            In training `loss_mask` and, with a point head, `loss_mask_point`; in inference `instances` with
            `pred_masks` `(R, 1, S, S)`.
        """
        boxes = [x.proposal_boxes if self.training else x.pred_boxes for x in instances]
        coarse = self.coarse_head(self._roi_pooler(features, boxes))
        if self.training:
            losses = {"loss_mask": mask_rcnn_loss(coarse, instances)}
            if self.point_head is not None:
                points, labels = self._sample_train_points(coarse, instances)
                logits = self._get_point_logits(features, boxes, points, coarse)
                losses["loss_mask_point"] = roi_mask_point_loss(logits, instances, labels)
            return losses
        classes = torch.cat([x.pred_classes for x in instances])
        mask_rcnn_inference(self._subdivision_inference(features, boxes, coarse, classes), instances)
        return instances

    def rename_checkpoint_keys(self, state: MutableMapping[str, Any], prefix: str) -> None:
        """Rename the parameters of checkpoints from before the two heads became parts of this module."""
        parent = prefix.removesuffix("mask_head.")
        for name in list(state):
            new = name
            for part in ("point_head", "coarse_head"):
                if name.startswith(f"{parent}mask_{part}."):
                    new = f"{prefix}{part}.{name.removeprefix(f'{parent}mask_{part}.')}"
            if new.startswith(f"{prefix}coarse_head."):
                new = new.replace(".coarse_mask_fc", ".fc")
            if new != name:
                state[new] = state.pop(name)

    def _roi_pooler(self, features: Mapping[str, Tensor], boxes: Sequence[Boxes]) -> Tensor:
        """Sample the coarse head's features on a regular grid `(R, C, G, G)` in each box."""
        side = self.coarse_grid_size
        regions = torch.cat([x.tensor for x in boxes])
        grid = generate_regular_grid_point_coords(regions.shape[0], side, regions.device)
        sampled = self._at(features, self.coarse_in_features, boxes, grid)
        return sampled.view(regions.shape[0], sampled.shape[1], side, side)

    def _at(
        self, features: Mapping[str, Tensor], names: Sequence[str], boxes: Sequence[Boxes], points: Tensor
    ) -> Tensor:
        maps, scales = [features[name] for name in names], [self._scales[name] for name in names]
        return point_sample_fine_grained_features(maps, scales, boxes, points)[0]

    def _sample_train_points(self, coarse: Tensor, instances: Sequence[Instances]) -> tuple[Tensor, Tensor]:
        """Return training points `(R, P, 2)`, relative to the boxes, and their labels `(R, P)`."""
        classes = torch.cat([x.gt_classes for x in instances])
        with torch.no_grad():
            points = get_uncertain_point_coords_with_randomness(
                coarse,
                lambda logits: calculate_uncertainty(logits, classes),
                self.train_num_points,
                self.oversample_ratio,
                self.importance_sample_ratio,
            )
            regions = torch.cat([x.proposal_boxes.tensor for x in instances])
            return points, sample_point_labels(instances, get_point_coords_wrt_image(regions, points))

    def _get_point_logits(
        self, features: Mapping[str, Tensor], boxes: Sequence[Boxes], points: Tensor, coarse: Tensor
    ) -> Tensor:
        """Return the point head's logits `(R, K or 1, P)` at points relative to the boxes."""
        fine = self._at(features, self.point_in_features, boxes, points)
        return self.point_head(fine, point_sample(coarse, points))

    def _subdivision_inference(
        self, features: Mapping[str, Tensor], boxes: Sequence[Boxes], coarse: Tensor, classes: Tensor
    ) -> Tensor:
        """Return refined logits `(R, 1, S, S)` of each region's class."""
        if self.point_head is None:
            return class_channel(coarse, classes).unsqueeze(1)
        # The first steps would recompute every cell, so the largest mask that the points cover is predicted directly.
        side, doublings = self.coarse_head.output_side_resolution, self.subdivision_steps
        while 4 * side**2 <= self.subdivision_num_points and doublings > 0:
            side, doublings = 2 * side, doublings - 1
        return refine_by_subdivision(
            lambda points: class_channel(self._get_point_logits(features, boxes, points, coarse), classes),
            coarse,
            side,
            doublings,
            self.subdivision_num_points,
        )
