"""ROI heads with a head for dense poses."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from detectory.modeling.poolers import ROIPooler
from detectory.modeling.roi_heads import StandardROIHeads, select_foreground_proposals
from detectory.structures import ImageList, Instances, matched_pairwise_iou


class DensePoseROIHeads(StandardROIHeads):
    """Standard heads, and a head that predicts charts or embeddings of each detection.

    Args:
        densepose_in_features: Names of the feature maps; `None` for no head.
        densepose_decoder: Merges the feature maps into one; `None` to pool from the maps.
        densepose_pooler: Region pooling.
        densepose_head: Maps region features to features, like `DensePoseV1ConvXHead`.
        densepose_predictor: Maps these features to charts or embeddings.
        densepose_losses: Losses, like `DensePoseChartLoss`.
        embedder: Vertex embeddings; only for continuous surface embeddings.
        fg_iou_threshold: Minimum overlap of a proposal with its object for training.
        train_on_masks: Whether to train on objects without an annotation that have a mask.
        kwargs: Further arguments of `StandardROIHeads`.

    Source: Güler, Neverova and Kokkinos, "DensePose: Dense Human Pose Estimation In The Wild", 2018, section 3.
    """

    def __init__(
        self,
        *,
        densepose_in_features: Sequence[str] | None = None,
        densepose_decoder: nn.Module | None = None,
        densepose_pooler: ROIPooler | None = None,
        densepose_head: nn.Module | None = None,
        densepose_predictor: nn.Module | None = None,
        densepose_losses: Any = None,
        embedder: nn.Module | None = None,
        fg_iou_threshold: float = 0.7,
        train_on_masks: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.densepose_on = densepose_in_features is not None
        if densepose_in_features is None:
            return
        self.densepose_in_features = list(densepose_in_features)
        self.use_decoder = densepose_decoder is not None
        if densepose_decoder is not None:
            self.decoder: Any = densepose_decoder
        self.densepose_pooler: Any = densepose_pooler
        self.densepose_head: Any = densepose_head
        self.densepose_predictor: Any = densepose_predictor
        self.densepose_losses = densepose_losses
        self.embedder = embedder
        self.fg_iou_threshold, self.train_on_masks = fg_iou_threshold, train_on_masks

    def forward(
        self,
        images: ImageList,
        features: Mapping[str, Tensor],
        proposals: list[Instances],
        targets: Sequence[Instances] | None = None,
    ) -> tuple[list[Instances], dict[str, Tensor]]:
        """Predict from proposals; see `ROIHeads.forward`."""
        instances, losses = super().forward(images, features, proposals, targets)
        if self.training:
            losses.update(self._forward_densepose(features, instances))
        return instances, losses

    def forward_with_given_boxes(self, features: Mapping[str, Tensor], instances: list[Instances]) -> list[Instances]:
        """Predict the fields of `StandardROIHeads` and `pred_densepose` for the given boxes.

        Args:
            features: Feature maps by name.
            instances: `Instances` with `pred_boxes` and `pred_classes` for each image.

        Returns:
            The same `Instances`. `pred_densepose` is missing if the batch has no detections.
        """
        instances = super().forward_with_given_boxes(features, instances)
        return self._forward_densepose(features, instances)

    def _forward_densepose(self, features: Mapping[str, Tensor], instances: list[Instances]) -> Any:
        """Return the losses (training), or set `pred_densepose` of the detections (inference)."""
        if not self.densepose_on:
            return {} if self.training else instances
        if self.training:
            instances = self._regions_with_target(select_foreground_proposals(instances, self.num_classes)[0])
            output = self._predict(features, [x.proposal_boxes for x in instances])
            arguments = {} if self.embedder is None else {"embedder": self.embedder}
            return self.densepose_losses(instances, output, **arguments)
        counts = [len(x) for x in instances]
        if sum(counts) == 0:
            return instances
        output = self._predict(features, [x.pred_boxes for x in instances])
        start = 0
        for image, count in zip(instances, counts, strict=True):
            image.pred_densepose = output[start : start + count]
            start += count
        return instances

    def _predict(self, features: Mapping[str, Tensor], boxes: list[Any]) -> Any:
        maps = [features[name] for name in self.densepose_in_features]
        if self.use_decoder:
            maps = [self.decoder(maps)]
        return self.densepose_predictor(self.densepose_head(self.densepose_pooler(maps, boxes)))

    @torch.no_grad()
    def _regions_with_target(self, proposals: Sequence[Instances]) -> list[Instances]:
        """Select the proposals that overlap their object sufficiently and have a target."""
        selected = []
        for image in proposals:
            if len(image) == 0 or not image.has("gt_boxes"):
                selected.append(image[:0])
                continue
            image = image[matched_pairwise_iou(image.gt_boxes, image.proposal_boxes) > self.fg_iou_threshold]
            has_mask = self.train_on_masks and image.has("gt_masks")
            if not has_mask:
                annotations = image.gt_densepose if image.has("gt_densepose") else [None] * len(image)
                keep = [index for index, annotation in enumerate(annotations) if annotation is not None]
                image = image[torch.tensor(keep, dtype=torch.long, device=image.proposal_boxes.device)]
            selected.append(image)
        return selected
