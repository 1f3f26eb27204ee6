"""ROI heads of Cascade R-CNN: consecutive stages that refine the boxes."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from detectory.modeling.matcher import Matcher
from detectory.modeling.poolers import ROIPooler
from detectory.structures import Boxes, ImageList, Instances, pairwise_iou

from .box_inference import fast_rcnn_inference
from .roi_heads import HeadsOutput, select_foreground_proposals
from .standard_roi_heads import StandardROIHeads
from .training_statistics import log_sample_stats


class _ScaleGradient(torch.autograd.Function):
    """Identity function that scales the gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad * ctx.scale, None


class CascadeROIHeads(StandardROIHeads):
    """ROI heads with several box stages, each trained with a stricter matcher on the boxes of the previous stage.

    In inference the scores are averaged over the stages, and the boxes are those of the last stage. With one mask head
    per stage, the mask probabilities are averaged as well.

    Args:
        box_in_features: Names of the feature maps of the box heads.
        box_pooler: Region pooling, shared by the stages.
        box_heads: Box head of each stage.
        box_predictors: Box predictor of each stage, all class-agnostic.
        proposal_matchers: Matcher of each stage. The first one also determines the sampled proposals.
        mask_head: One mask head, trained on the proposals of the first stage, or a sequence of one mask head per stage,
            each trained on the proposals of its stage.
        score_averaging: `"probabilities"` averages the class probabilities of the stages; `"logits"` averages their
            logits and applies the softmax or sigmoid to the mean, as MMDetection does.
        kwargs: Further arguments of `StandardROIHeads`, except `proposal_matcher`.

    Raises:
        ValueError: If the sequences differ in length, `score_averaging` is unknown, or `proposal_matcher` is given.

    Source: Cai and Vasconcelos, "Cascade R-CNN", 2018.
    """

    # Geometry of the boxes between the stages, for other pixel conventions.
    _box_class: type[Boxes] = Boxes

    def __init__(
        self,
        *,
        box_in_features: Sequence[str],
        box_pooler: ROIPooler,
        box_heads: Sequence[nn.Module],
        box_predictors: Sequence[nn.Module],
        proposal_matchers: Sequence[Matcher],
        mask_head: nn.Module | Sequence[nn.Module] | None = None,
        score_averaging: str = "probabilities",
        **kwargs: Any,
    ) -> None:
        if "proposal_matcher" in kwargs:
            raise ValueError("CascadeROIHeads: expected proposal_matchers, one per stage, instead of proposal_matcher")
        self.num_cascade_stages = len(box_heads)
        if not len(box_heads) == len(box_predictors) == len(proposal_matchers):
            raise ValueError(
                "CascadeROIHeads: box_heads, box_predictors and proposal_matchers must have the same length, got"
                f" {len(box_heads)}, {len(box_predictors)} and {len(proposal_matchers)}"
            )
        if score_averaging not in ("probabilities", "logits"):
            raise ValueError(
                f"CascadeROIHeads: score_averaging must be 'probabilities' or 'logits', got {score_averaging!r}"
            )
        self.mask_head_per_stage = isinstance(mask_head, Sequence)
        if isinstance(mask_head, Sequence):
            if len(mask_head) != len(box_heads):
                raise ValueError(
                    f"CascadeROIHeads: mask_head must have {len(box_heads)} elements, one per stage,"
                    f" got {len(mask_head)}"
                )
            mask_head = nn.ModuleList(mask_head)
        super().__init__(
            box_in_features=box_in_features,
            box_pooler=box_pooler,
            box_head=nn.ModuleList(box_heads),
            box_predictor=nn.ModuleList(box_predictors),
            proposal_matcher=proposal_matchers[0],
            mask_head=mask_head,
            **kwargs,
        )
        self.proposal_matchers = list(proposal_matchers)
        self.score_averaging = score_averaging

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
            raise ValueError("CascadeROIHeads: targets are required in training")
        proposals = self.label_and_sample_proposals(proposals, targets)
        losses = self._forward_box(features, proposals, targets)
        if not self.mask_head_per_stage:
            losses.update(self._forward_mask(features, proposals))
        losses.update(self._forward_keypoint(features, proposals))
        return proposals, losses

    def _forward_box(
        self,
        features: Mapping[str, Tensor],
        proposals: list[Instances],
        targets: Sequence[Instances] | None = None,
    ) -> Any:
        """Run all stages; return the losses by name (training) or the detections of each image (inference)."""
        maps = [features[name] for name in self.box_in_features]
        sizes = [p.image_size for p in proposals]
        losses: dict[str, Tensor] = {}
        stage_scores: list[Sequence[Tensor]] = []  # for each stage, for each image (R_i, K + 1)
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
                if self.mask_on and self.mask_head_per_stage:
                    losses[f"loss_mask_stage{stage}"] = self._stage_mask_loss(features, proposals, stage)
            elif self.score_averaging == "logits":
                stage_scores.append((predictions[0],))
            else:
                stage_scores.append(predictor.predict_probs(predictions, proposals))
        if self.training:
            return losses
        scores = [sum(per_stage) / self.num_cascade_stages for per_stage in zip(*stage_scores, strict=True)]
        last = self.box_predictor[-1]
        if self.score_averaging == "logits":
            scores = last.predict_probs((scores[0], predictions[1]), proposals)
        return self._select_detections(boxes, scores, sizes)

    def _select_detections(
        self, boxes: Sequence[Tensor], scores: Sequence[Tensor], sizes: Sequence[tuple[int, int]]
    ) -> list[Instances]:
        """Return the detections of each image by the thresholds of the last stage; see `fast_rcnn_inference`."""
        last = self.box_predictor[-1]
        select = getattr(last, "_inference", fast_rcnn_inference)
        return select(boxes, scores, sizes, last.test_score_thresh, last.test_nms_thresh, last.test_topk_per_image)[0]

    def _stage_mask_loss(self, features: Mapping[str, Tensor], proposals: list[Instances], stage: int) -> Tensor:
        """Return the loss of the mask head of one stage on the foreground proposals of this stage."""
        foreground = select_foreground_proposals(proposals, self.num_classes)[0]
        pooled = self._pool(features, self.mask_in_features, self.mask_pooler, foreground)
        return self.mask_head[stage](pooled, foreground)["loss_mask"]

    def _forward_mask(self, features: Mapping[str, Tensor], instances: list[Instances]) -> Any:
        """Return the mask loss, or set the masks: the mean of the stages if each stage has a mask head."""
        if not self.mask_on or not self.mask_head_per_stage or self.training:
            return super()._forward_mask(features, instances)
        pooled = self._pool(features, self.mask_in_features, self.mask_pooler, instances)
        stage_masks = []
        for head in self.mask_head:
            head(pooled, instances)
            stage_masks.append([image.pred_masks for image in instances])
        for image, masks in zip(instances, zip(*stage_masks, strict=True), strict=True):
            image.pred_masks = sum(masks) / len(masks)
        return instances

    def _run_stage(self, features: list[Tensor], proposals: list[Instances], stage: int) -> tuple[Tensor, Tensor]:
        """Return the scores and deltas of one stage."""
        pooled = self.box_pooler(features, [p.proposal_boxes for p in proposals])
        # The features of all stages come from the same backbone: the scale keeps the total gradient of the backbone
        # comparable to that of a single head.
        if pooled.requires_grad:
            pooled = _ScaleGradient.apply(pooled, 1.0 / self.num_cascade_stages)
        return self.box_predictor[stage](self.box_head[stage](pooled))

    def _proposals_from_boxes(self, boxes: Sequence[Tensor], image_sizes: Sequence[tuple[int, int]]) -> list[Instances]:
        """Make proposals of the boxes of the previous stage, in training without boxes that clipping made empty."""
        proposals = []
        for image_boxes, size in zip(boxes, image_sizes, strict=True):
            # Detached: a stage does not backpropagate through the boxes of the previous one.
            clipped = self._box_class(image_boxes.detach())
            clipped.clip(size)
            if self.training:
                clipped = clipped[clipped.nonempty()]
            proposals.append(Instances(size, proposal_boxes=clipped))
        return proposals

    @torch.no_grad()
    def _match_and_label_boxes(
        self, proposals: list[Instances], stage: int, targets: Sequence[Instances]
    ) -> list[Instances]:
        """Label all proposals of a stage with the matcher of the stage, without further sampling."""
        foreground, background = [], []
        for regions, image_targets in zip(proposals, targets, strict=True):
            quality = pairwise_iou(image_targets.gt_boxes, regions.proposal_boxes)
            matches, labels = self.proposal_matchers[stage](quality)
            regions.gt_classes = self._classes_of(matches, labels, image_targets.gt_classes)
            if len(image_targets):
                regions.gt_boxes = image_targets.gt_boxes[matches]
            else:
                regions.gt_boxes = Boxes(torch.zeros_like(regions.proposal_boxes.tensor))
            num_foreground = int((labels == 1).sum())
            foreground.append(num_foreground)
            background.append(len(labels) - num_foreground)
        log_sample_stats(foreground, background, prefix=f"stage{stage}/roi_head")
        return proposals
