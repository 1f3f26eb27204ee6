"""ROI heads of C4 models, which apply the last stage of the backbone to every region."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from detectory.modeling.layers import fast_layout
from detectory.modeling.poolers import ROIPooler
from detectory.structures import Boxes, ImageList, Instances

from .roi_heads import HeadsOutput, ROIHeads, select_foreground_proposals


class Res5ROIHeads(ROIHeads):
    """ROI heads on a single feature map: pooling, the last residual stage, then box and mask prediction on its output.

    Args:
        in_features: Name of the feature map, in a list.
        pooler: Pools the region features.
        res5: The residual stage, or its blocks.
        box_predictor: Predicts classes and boxes from the averaged features, like `FastRCNNOutputLayers`.
        mask_head: Predicts masks from the features; `None` for no masks.
        kwargs: Further arguments of `ROIHeads`.

    Source: He et al., "Deep Residual Learning", 2016, appendix A.
    """

    def __init__(
        self,
        *,
        in_features: Sequence[str],
        pooler: ROIPooler,
        res5: nn.Module | Sequence[nn.Module],
        box_predictor: Any,
        mask_head: nn.Module | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.in_features = list(in_features)
        self.pooler = pooler
        self.res5 = res5 if isinstance(res5, nn.Module) else nn.Sequential(*res5)
        self.box_predictor: Any = box_predictor
        self.mask_on = mask_head is not None
        if self.mask_on:
            self.mask_head: Any = mask_head

    def forward(
        self,
        images: ImageList,
        features: Mapping[str, Tensor],
        proposals: list[Instances],
        targets: Sequence[Instances] | None = None,
    ) -> HeadsOutput:
        """Predict from proposals; see `ROIHeads.forward`. Training returns no proposals."""
        del images
        if self.training:
            if targets is None:
                raise ValueError("Res5ROIHeads: targets are required in training")
            proposals = self.label_and_sample_proposals(proposals, targets)
        regions = self._region_features(features, [p.proposal_boxes for p in proposals])
        predictions = self.box_predictor(regions.mean(dim=(2, 3)))
        if not self.training:
            # Masks are predicted from features of the detected boxes, not of the proposals.
            detections, _ = self.box_predictor.inference(predictions, proposals)
            return self.forward_with_given_boxes(features, detections), {}
        losses = self.box_predictor.losses(predictions, proposals)
        if self.mask_on:
            foreground, masks = select_foreground_proposals(proposals, self.num_classes)
            indices = torch.cat(masks).nonzero().squeeze(1)
            losses.update(self.mask_head(regions[indices], foreground))
        return [], losses

    def forward_with_given_boxes(self, features: Mapping[str, Tensor], instances: list[Instances]) -> list[Instances]:
        """Predict masks for the given boxes; see `StandardROIHeads.forward_with_given_boxes`."""
        if self.training:
            raise RuntimeError(
                "Res5ROIHeads.forward_with_given_boxes: the model is in training mode, call eval() first"
            )
        if not self.mask_on:
            return instances
        return self.mask_head(self._region_features(features, [i.pred_boxes for i in instances]), instances)

    def _region_features(self, features: Mapping[str, Tensor], boxes: Sequence[Boxes]) -> Tensor:
        """Return the features of all boxes, `(R, C, H, W)`."""
        return self.res5(fast_layout(self.pooler([features[name] for name in self.in_features], boxes)))
