"""ROI heads in which each task pools its own features."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from detectory.modeling.poolers import ROIPooler
from detectory.structures import Boxes, ImageList, Instances

from .roi_heads import (
    HeadsOutput,
    ROIHeads,
    select_foreground_proposals,
    select_proposals_with_visible_keypoints,
)


class StandardROIHeads(ROIHeads):
    """A box head and optional mask and keypoint heads, each with its own region pooling.

    Args:
        box_in_features: Names of the feature maps of the box head.
        box_pooler: Region pooling of the box head.
        box_head: Maps region features to vectors, like `FastRCNNConvFCHead`.
        box_predictor: Maps these vectors to classes and boxes, like `FastRCNNOutputLayers`.
        mask_in_features: Names of the feature maps of the mask head; `None` for no mask head.
        mask_pooler: Region pooling of the mask head; `None` passes the feature maps by name to the head.
        mask_head: Predicts masks.
        keypoint_in_features: Names of the feature maps of the keypoint head; `None` for no keypoint head.
        keypoint_pooler: Region pooling of the keypoint head; `None` passes the feature maps by name to the head.
        keypoint_head: Predicts keypoints.
        train_on_pred_boxes: Whether to train the mask and keypoint heads on predicted boxes instead of proposals.
        kwargs: Further arguments of `ROIHeads`.

    Source: He et al., "Mask R-CNN", 2017, section 3.
    """

    def __init__(
        self,
        *,
        box_in_features: Sequence[str],
        box_pooler: ROIPooler,
        box_head: Any,
        box_predictor: Any,
        mask_in_features: Sequence[str] | None = None,
        mask_pooler: ROIPooler | None = None,
        mask_head: nn.Module | None = None,
        keypoint_in_features: Sequence[str] | None = None,
        keypoint_pooler: ROIPooler | None = None,
        keypoint_head: nn.Module | None = None,
        train_on_pred_boxes: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.in_features = self.box_in_features = list(box_in_features)
        self.box_pooler = box_pooler
        self.box_head: Any = box_head
        self.box_predictor: Any = box_predictor
        self.mask_on = mask_in_features is not None
        if mask_in_features is not None:
            self.mask_in_features = list(mask_in_features)
            self.mask_pooler = mask_pooler
            self.mask_head: Any = mask_head
        self.keypoint_on = keypoint_in_features is not None
        if keypoint_in_features is not None:
            self.keypoint_in_features = list(keypoint_in_features)
            self.keypoint_pooler = keypoint_pooler
            self.keypoint_head: Any = keypoint_head
        self.train_on_pred_boxes = train_on_pred_boxes

    def forward(
        self,
        images: ImageList,
        features: Mapping[str, Tensor],
        proposals: list[Instances],
        targets: Sequence[Instances] | None = None,
    ) -> HeadsOutput:
        """Predict from proposals; see `ROIHeads.forward`."""
        del images
        if not self.training:
            return self.forward_with_given_boxes(features, self._forward_box(features, proposals)), {}
        if targets is None:
            raise ValueError(f"{type(self).__name__}: targets are required in training")
        proposals = self.label_and_sample_proposals(proposals, targets)
        losses = self._forward_box(features, proposals)
        losses.update(self._forward_mask(features, proposals))
        losses.update(self._forward_keypoint(features, proposals))
        return proposals, losses

    def forward_with_given_boxes(self, features: Mapping[str, Tensor], instances: list[Instances]) -> list[Instances]:
        """Predict masks and keypoints for the given boxes.

        Args:
            features: Feature maps by name.
            instances: `Instances` with `pred_boxes` and `pred_classes` for each image.

        Returns:
            The same `Instances`, with `pred_masks` and `pred_keypoints` if there are heads for them.

        Raises:
            RuntimeError: If the module is in training mode.
        """
        if self.training:
            raise RuntimeError(
                f"{type(self).__name__}.forward_with_given_boxes: the model is in training mode, call eval() first"
            )
        instances = self._forward_mask(features, instances)
        return self._forward_keypoint(features, instances)

    def _forward_box(self, features: Mapping[str, Tensor], proposals: list[Instances]) -> Any:
        """Return the box losses (training) or the detections (inference)."""
        maps = [features[name] for name in self.box_in_features]
        pooled = self.box_pooler(maps, [p.proposal_boxes for p in proposals])
        predictions = self.box_predictor(self.box_head(pooled))
        if not self.training:
            return self.box_predictor.inference(predictions, proposals)[0]
        losses = self.box_predictor.losses(predictions, proposals)
        if self.train_on_pred_boxes:
            with torch.no_grad():
                boxes = self.box_predictor.predict_boxes_for_gt_classes(predictions, proposals)
            for regions, pred_boxes in zip(proposals, boxes, strict=True):
                regions.proposal_boxes = Boxes(pred_boxes)
        return losses

    def _forward_mask(self, features: Mapping[str, Tensor], instances: list[Instances]) -> Any:
        """Return the mask loss (training), or set the masks of the detections `instances` (inference)."""
        if not self.mask_on:
            return {} if self.training else instances
        if self.training:
            instances = select_foreground_proposals(instances, self.num_classes)[0]
        return self.mask_head(self._pool(features, self.mask_in_features, self.mask_pooler, instances), instances)

    def _forward_keypoint(self, features: Mapping[str, Tensor], instances: list[Instances]) -> Any:
        """Return the keypoint loss (training), or set the keypoints of the detections `instances` (inference)."""
        if not self.keypoint_on:
            return {} if self.training else instances
        if self.training:
            instances = select_foreground_proposals(instances, self.num_classes)[0]
            instances = select_proposals_with_visible_keypoints(instances)
        pooled = self._pool(features, self.keypoint_in_features, self.keypoint_pooler, instances)
        return self.keypoint_head(pooled, instances)

    def _pool(
        self,
        features: Mapping[str, Tensor],
        names: Sequence[str],
        pooler: ROIPooler | None,
        instances: Sequence[Instances],
    ) -> Tensor | dict[str, Tensor]:
        """Return the pooled features of all regions, or the feature maps by name without a pooler."""
        if pooler is None:
            return {name: features[name] for name in names}
        boxes = [i.proposal_boxes if self.training else i.pred_boxes for i in instances]
        return pooler([features[name] for name in names], boxes)
