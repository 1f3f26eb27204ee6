"""ROI heads of the C4 models: the last stage of the backbone runs on every region."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from detectory.modeling.layers import fast_layout
from detectory.modeling.poolers import ROIPooler
from detectory.structures import Boxes, ImageList, Instances

from .roi_heads import HeadsOutput, ROIHeads, select_foreground_proposals


class Res5ROIHeads(ROIHeads):
    """Pool from one map, run the last residual stage, and let box and mask head share its output.

    Args:
        in_features: Name of the map.
        pooler: Cuts the regions out.
        res5: The residual stage, or its blocks.
        box_predictor: Makes classes and boxes of the averaged features.
        mask_head: Makes masks of the features, `None` for none.
        kwargs: Arguments of `ROIHeads`.

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
        """See `ROIHeads.forward`; training returns no proposals."""
        del images
        if self.training:
            if targets is None:
                raise ValueError("Res5ROIHeads: targets are needed in training")
            proposals = self.label_and_sample_proposals(proposals, targets)
        regions = self._region_features(features, [p.proposal_boxes for p in proposals])
        predictions = self.box_predictor(regions.mean(dim=(2, 3)))
        if not self.training:
            found, _ = self.box_predictor.inference(predictions, proposals)
            return self.forward_with_given_boxes(features, found), {}
        losses = self.box_predictor.losses(predictions, proposals)
        if self.mask_on:
            foreground, masks = select_foreground_proposals(proposals, self.num_classes)
            chosen = torch.cat(masks).nonzero().squeeze(1)
            losses.update(self.mask_head(regions[chosen], foreground))
        return [], losses

    def forward_with_given_boxes(self, features: Mapping[str, Tensor], instances: list[Instances]) -> list[Instances]:
        """Predict masks in boxes that are known, see `StandardROIHeads.forward_with_given_boxes`."""
        if self.training:
            raise RuntimeError("Res5ROIHeads.forward_with_given_boxes: only works in inference, call eval()")
        if not self.mask_on:
            return instances
        return self.mask_head(self._region_features(features, [i.pred_boxes for i in instances]), instances)

    def _region_features(self, features: Mapping[str, Tensor], boxes: Sequence[Boxes]) -> Tensor:
        return self.res5(fast_layout(self.pooler([features[name] for name in self.in_features], boxes)))
