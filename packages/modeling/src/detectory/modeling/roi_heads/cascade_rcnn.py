"""Cascade R-CNN: heads in a row, each refining the boxes of the one before."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from detectory.modeling.matcher import Matcher
from detectory.modeling.poolers import ROIPooler
from detectory.structures import Boxes, ImageList, Instances, pairwise_iou

from .box_inference import fast_rcnn_inference
from .roi_heads import HeadsOutput
from .standard_roi_heads import StandardROIHeads
from .training_statistics import log_sample_stats


class _ScaleGradient(torch.autograd.Function):
    """Identity whose gradient is scaled."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad * ctx.scale, None


class CascadeROIHeads(StandardROIHeads):
    """`StandardROIHeads` with a box head per stage, matched ever more strictly.

    Args:
        box_in_features: Names of the maps for the box heads.
        box_pooler: Pooler of all stages.
        box_heads: One for each stage.
        box_predictors: One for each stage, all class-agnostic.
        proposal_matchers: One for each stage; the first one also samples.
        kwargs: Further arguments of `StandardROIHeads`, without `proposal_matcher`.

    Raises:
        ValueError: where the three sequences differ in length.

    Source: Cai and Vasconcelos, "Cascade R-CNN", 2018.
    """

    def __init__(
        self,
        *,
        box_in_features: Sequence[str],
        box_pooler: ROIPooler,
        box_heads: Sequence[nn.Module],
        box_predictors: Sequence[nn.Module],
        proposal_matchers: Sequence[Matcher],
        **kwargs: Any,
    ) -> None:
        if "proposal_matcher" in kwargs:
            raise ValueError("CascadeROIHeads: takes proposal_matchers, one for each stage, not proposal_matcher")
        self.num_cascade_stages = len(box_heads)
        if not len(box_heads) == len(box_predictors) == len(proposal_matchers):
            raise ValueError(
                "CascadeROIHeads: needs as many box_predictors and proposal_matchers as box_heads, got"
                f" {len(box_predictors)} and {len(proposal_matchers)} for {len(box_heads)}"
            )
        super().__init__(
            box_in_features=box_in_features,
            box_pooler=box_pooler,
            box_head=nn.ModuleList(box_heads),
            box_predictor=nn.ModuleList(box_predictors),
            proposal_matcher=proposal_matchers[0],
            **kwargs,
        )
        self.proposal_matchers = list(proposal_matchers)

    def forward(
        self,
        images: ImageList,
        features: Mapping[str, Tensor],
        proposals: list[Instances],
        targets: Sequence[Instances] | None = None,
    ) -> HeadsOutput:
        """See `ROIHeads.forward`."""
        del images
        if not self.training:
            return self.forward_with_given_boxes(features, self._forward_box(features, proposals)), {}
        if targets is None:
            raise ValueError("CascadeROIHeads: targets are needed in training")
        proposals = self.label_and_sample_proposals(proposals, targets)
        losses = self._forward_box(features, proposals, targets)
        losses.update(self._forward_mask(features, proposals))
        losses.update(self._forward_keypoint(features, proposals))
        return proposals, losses

    def _forward_box(
        self,
        features: Mapping[str, Tensor],
        proposals: list[Instances],
        targets: Sequence[Instances] | None = None,
    ) -> Any:
        """Run all stages: losses of each in training, else detections with scores averaged over the stages."""
        maps = [features[name] for name in self.box_in_features]
        sizes = [p.image_size for p in proposals]
        losses: dict[str, Tensor] = {}
        probabilities: list[Sequence[Tensor]] = []
        boxes: Sequence[Tensor] = ()
        for stage, predictor in enumerate(self.box_predictor):
            if stage > 0:
                proposals = self._proposals_from_boxes(boxes, sizes)
                if targets is not None:
                    proposals = self._match_and_label_boxes(proposals, stage, targets)
            predictions = self._run_stage(maps, proposals, stage)
            boxes = predictor.predict_boxes(predictions, proposals)
            if self.training:
                for name, value in predictor.losses(predictions, proposals).items():
                    losses[f"{name}_stage{stage}"] = value
            else:
                probabilities.append(predictor.predict_probs(predictions, proposals))
        if self.training:
            return losses
        scores = [sum(image) / self.num_cascade_stages for image in zip(*probabilities, strict=True)]
        last = self.box_predictor[-1]
        return fast_rcnn_inference(
            boxes, scores, sizes, last.test_score_thresh, last.test_nms_thresh, last.test_topk_per_image
        )[0]

    def _run_stage(self, maps: list[Tensor], proposals: list[Instances], stage: int) -> tuple[Tensor, Tensor]:
        pooled = self.box_pooler(maps, [p.proposal_boxes for p in proposals])
        # The stages together shall move the backbone no more than one head would.
        if pooled.requires_grad:
            pooled = _ScaleGradient.apply(pooled, 1.0 / self.num_cascade_stages)
        return self.box_predictor[stage](self.box_head[stage](pooled))

    def _proposals_from_boxes(self, boxes: Sequence[Tensor], image_sizes: Sequence[tuple[int, int]]) -> list[Instances]:
        """Make the boxes of one stage the proposals of the next; training drops those that were clipped away."""
        proposals = []
        for rows, size in zip(boxes, image_sizes, strict=True):
            clipped = Boxes(rows.detach())
            clipped.clip(size)
            if self.training:
                clipped = clipped[clipped.nonempty()]
            proposals.append(Instances(size, proposal_boxes=clipped))
        return proposals

    @torch.no_grad()
    def _match_and_label_boxes(
        self, proposals: list[Instances], stage: int, targets: Sequence[Instances]
    ) -> list[Instances]:
        """Label all proposals of a stage by its own matcher, without sampling."""
        foreground, background = [], []
        for found, truth in zip(proposals, targets, strict=True):
            matches, labels = self.proposal_matchers[stage](pairwise_iou(truth.gt_boxes, found.proposal_boxes))
            found.gt_classes = self._classes_of(matches, labels, truth.gt_classes)
            if len(truth):
                found.gt_boxes = truth.gt_boxes[matches]
            else:
                found.gt_boxes = Boxes(torch.zeros_like(found.proposal_boxes.tensor))
            objects = int((labels == 1).sum())
            foreground.append(objects)
            background.append(len(labels) - objects)
        log_sample_stats(foreground, background, prefix=f"stage{stage}/roi_head")
        return proposals
