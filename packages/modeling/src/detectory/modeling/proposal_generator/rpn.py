"""Region proposal network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory.core.events import get_event_storage, has_event_storage
from detectory.modeling.box_regression import (
    Box2BoxTransform,
    Box2BoxTransformRotated,
    dense_box_regression_loss,
    known_box_loss,
)
from detectory.modeling.matcher import Matcher
from detectory.modeling.sampling import check_sampling, subsample_labels
from detectory.structures import ImageList, Instances, pairwise_iou

from .proposals import suppress_proposals, take_rows, top_anchors


class RPN(nn.Module):
    """Score the anchors of every cell, move them, and propose the best boxes of an image.

    Args:
        in_features: Names of the feature maps to use.
        head: Maps a list of levels to logits and deltas, as `StandardRPNHead`.
        anchor_generator: Maps a list of levels to anchors.
        anchor_matcher: Labels anchors by their IoU with ground truth.
        box2box_transform: What the head's deltas mean.
        batch_size_per_image: Anchors of an image that the losses look at.
        positive_fraction: Largest share of positive ones among them.
        pre_nms_topk: Most anchors of a level that are looked at, `(training, inference)`.
        post_nms_topk: Most proposals of an image, `(training, inference)`.
        nms_thresh: IoU above which the lesser of two proposals of a level goes.
        min_box_size: Proposals not wider and higher than this many pixels go.
        anchor_boundary_thresh: Anchors that lie farther than this outside the image are not trained; negative: all are.
        loss_weight: Factor of both losses, or of each by name (`"loss_rpn_cls"`, `"loss_rpn_loc"`).
        box_reg_loss_type: `"smooth_l1"`, `"giou"`, `"diou"` or `"ciou"`.
        smooth_l1_beta: Where smooth L1 turns linear; 0 is plain L1.

    Source: Ren et al., "Faster R-CNN", 2015, section 3.
    """

    def __init__(
        self,
        *,
        in_features: Sequence[str],
        head: nn.Module,
        anchor_generator: Any,
        anchor_matcher: Matcher,
        box2box_transform: Box2BoxTransform | Box2BoxTransformRotated,
        batch_size_per_image: int,
        positive_fraction: float,
        pre_nms_topk: tuple[int, int],
        post_nms_topk: tuple[int, int],
        nms_thresh: float = 0.7,
        min_box_size: float = 0.0,
        anchor_boundary_thresh: int = -1,
        loss_weight: float | Mapping[str, float] = 1.0,
        box_reg_loss_type: str = "smooth_l1",
        smooth_l1_beta: float = 0.0,
    ) -> None:
        super().__init__()
        self.in_features = list(in_features)
        self.rpn_head = head
        self.anchor_generator: Any = anchor_generator
        self.anchor_matcher = anchor_matcher
        self.box2box_transform = box2box_transform
        check_sampling(type(self).__name__, batch_size_per_image, positive_fraction)
        self.batch_size_per_image = batch_size_per_image
        self.positive_fraction = positive_fraction
        self.pre_nms_topk = {True: pre_nms_topk[0], False: pre_nms_topk[1]}
        self.post_nms_topk = {True: post_nms_topk[0], False: post_nms_topk[1]}
        self.nms_thresh = nms_thresh
        self.min_box_size = float(min_box_size)
        self.anchor_boundary_thresh = anchor_boundary_thresh
        names = ("loss_rpn_cls", "loss_rpn_loc")
        self.loss_weight = dict(loss_weight) if isinstance(loss_weight, Mapping) else dict.fromkeys(names, loss_weight)
        self.box_reg_loss_type = known_box_loss(box_reg_loss_type)
        self.smooth_l1_beta = smooth_l1_beta

    def forward(
        self,
        images: ImageList,
        features: Mapping[str, Tensor],
        gt_instances: Sequence[Instances] | None = None,
    ) -> tuple[list[Instances], dict[str, Tensor]]:
        """Propose boxes.

        Args:
            images: The batch; only sizes are read.
            features: Maps `(B, C, H, W)` by name.
            gt_instances: `Instances` with `gt_boxes` for every image, needed in training.

        Returns:
            For every image `Instances` with `proposal_boxes` and `objectness_logits`, best first; and the
            losses `loss_rpn_cls` and `loss_rpn_loc`, empty in inference.
        """
        levels = [features[name] for name in self.in_features]
        anchors = self.anchor_generator(levels)
        logits, deltas = self.rpn_head(levels)
        logits = [flatten_cells(x, 1).squeeze(2) for x in logits]  # (B, H * W * A)
        deltas = [flatten_cells(x, self.anchor_generator.box_dim) for x in deltas]
        losses = {}
        if self.training:
            if gt_instances is None:
                raise ValueError("RPN: gt_instances are needed in training")
            labels, boxes = self.label_and_sample_anchors(anchors, gt_instances)
            losses = self.losses(anchors, logits, labels, deltas, boxes)
        return self.predict_proposals(anchors, logits, deltas, images.image_sizes), losses

    @torch.no_grad()
    def label_and_sample_anchors(
        self, anchors: Sequence[Any], gt_instances: Sequence[Instances]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Label the anchors of every image and choose those that the losses look at.

        Args:
            anchors: Anchors of every level, together `R`.
            gt_instances: Ground truth of every image.

        Returns:
            For every image labels `(R,)` int8, -1 where an anchor is not looked at, 0 background, 1 object;
            and boxes `(R, D)` matched to the anchors, of no meaning where the label is not 1.
        """
        everywhere = type(anchors[0]).cat(list(anchors))
        labels, boxes = [], []
        for truth in gt_instances:
            matches, label = self.anchor_matcher(self._pairwise_iou(truth.gt_boxes, everywhere))
            if self.anchor_boundary_thresh >= 0:
                inside = everywhere.inside_box(truth.image_size, self.anchor_boundary_thresh)
                label = label.masked_fill(~inside, -1)
            labels.append(self._subsample_labels(label))
            found = truth.gt_boxes.tensor
            boxes.append(found[matches] if len(found) else torch.zeros_like(everywhere.tensor))
        return labels, boxes

    def _pairwise_iou(self, truth: Any, anchors: Any) -> Tensor:
        return pairwise_iou(truth, anchors)

    def _subsample_labels(self, label: Tensor) -> Tensor:
        """Set every label to -1 but those of a random sample."""
        positive, negative = subsample_labels(label, self.batch_size_per_image, self.positive_fraction, 0)
        sampled = torch.full_like(label, -1)
        sampled[positive] = 1
        sampled[negative] = 0
        return sampled

    def losses(
        self,
        anchors: Sequence[Any],
        pred_objectness_logits: Sequence[Tensor],
        gt_labels: Sequence[Tensor],
        pred_anchor_deltas: Sequence[Tensor],
        gt_boxes: Sequence[Tensor],
    ) -> dict[str, Tensor]:
        """Return `loss_rpn_cls` and `loss_rpn_loc`, both per sampled anchor.

        Args:
            anchors: Anchors of every level, together `R`.
            pred_objectness_logits: `(B, H * W * A)` for every level.
            gt_labels: `(R,)` for every image, see `label_and_sample_anchors`.
            pred_anchor_deltas: `(B, H * W * A, D)` for every level.
            gt_boxes: `(R, D)` for every image.
        """
        labels = torch.stack(list(gt_labels))  # (B, R)
        positive = labels == 1
        if has_event_storage():
            storage = get_event_storage()
            storage.put_scalar("rpn/num_pos_anchors", positive.sum().item() / len(labels))
            storage.put_scalar("rpn/num_neg_anchors", (labels == 0).sum().item() / len(labels))
        location = dense_box_regression_loss(
            anchors,
            self.box2box_transform,
            pred_anchor_deltas,
            gt_boxes,
            positive,
            self.box_reg_loss_type,
            self.smooth_l1_beta,
        )
        sampled = labels >= 0
        logits = torch.cat(list(pred_objectness_logits), dim=1)[sampled].float()
        objectness = F.binary_cross_entropy_with_logits(logits, labels[sampled].to(logits.dtype), reduction="sum")
        normalizer = self.batch_size_per_image * len(labels)
        losses = {"loss_rpn_cls": objectness / normalizer, "loss_rpn_loc": location / normalizer}
        return {name: value * self.loss_weight.get(name, 1.0) for name, value in losses.items()}

    @torch.no_grad()
    def predict_proposals(
        self,
        anchors: Sequence[Any],
        pred_objectness_logits: Sequence[Tensor],
        pred_anchor_deltas: Sequence[Tensor],
        image_sizes: Sequence[tuple[int, int]],
    ) -> list[Instances]:
        """Decode the best anchors of every level and suppress overlaps.

        No gradient flows through the boxes: the heads behind take proposals as given.
        """
        boxes, scores = self._decode_top_anchors(anchors, pred_objectness_logits, pred_anchor_deltas)
        limit = self.post_nms_topk[self.training]
        return suppress_proposals(boxes, scores, image_sizes, self.nms_thresh, limit, self.min_box_size, self.training)

    def _decode_top_anchors(
        self, anchors: Sequence[Any], logits: Sequence[Tensor], deltas: Sequence[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return boxes `(B, k, D)` and logits `(B, k)` of every level; only the chosen anchors are decoded."""
        boxes, scores = [], []
        for level, delta, (score, index) in zip(
            anchors, deltas, top_anchors(logits, self.pre_nms_topk[self.training]), strict=True
        ):
            chosen = level.tensor[index]  # (B, k, D)
            moved = self.box2box_transform.apply_deltas(take_rows(delta, index).flatten(0, 1), chosen.flatten(0, 1))
            boxes.append(moved.reshape(chosen.shape))
            scores.append(score)
        return boxes, scores


def flatten_cells(x: Tensor, numbers: int) -> Tensor:
    """Bring a head's output `(B, A * numbers, H, W)` to `(B, H * W * A, numbers)`, the order of anchors."""
    batch, _, height, width = x.shape
    x = x.reshape(batch, -1, numbers, height, width).permute(0, 3, 4, 1, 2)
    return x.reshape(batch, -1, numbers)
