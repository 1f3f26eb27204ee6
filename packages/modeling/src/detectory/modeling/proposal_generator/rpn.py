"""Region proposal network (RPN)."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory.core.events import get_event_storage, has_event_storage
from detectory.modeling.box_regression import (
    Box2BoxTransform,
    Box2BoxTransformRotated,
    check_box_reg_loss_type,
    dense_box_regression_loss,
)
from detectory.modeling.matcher import Matcher
from detectory.modeling.sampling import check_sampling, subsample_labels
from detectory.ops import batched_nms
from detectory.structures import Boxes, ImageList, Instances, RotatedBoxes, pairwise_iou

from .proposals import BatchedNMS, gather_rows, suppress_proposals, top_anchors


class RPN(nn.Module):
    """Region proposal network: score and regress anchors, and select the best boxes of each image as proposals.

    Args:
        in_features: Names of the feature maps, from fine to coarse.
        head: Module that maps the list of feature maps to lists of objectness logits and deltas, like
            `StandardRPNHead`.
        anchor_generator: Module that maps the list of feature maps to anchors.
        anchor_matcher: Labels anchors by their IoU with the ground truth.
        box2box_transform: Parametrization of the deltas.
        batch_size_per_image: Number of anchors sampled per image for the losses.
        positive_fraction: Maximum fraction of positive anchors in this sample.
        pre_nms_topk: Maximum number of anchors per level before NMS, `(training, inference)`.
        post_nms_topk: Maximum number of proposals per image after NMS, `(training, inference)`.
        nms_thresh: IoU threshold of the NMS within each level.
        min_box_size: Minimum width and height of a proposal in pixels, exclusive.
        score_thresh: Minimum objectness, a probability, of a proposal.
        anchor_boundary_thresh: Anchors that exceed the image by more than this number of pixels are ignored by the
            losses; a negative number keeps all anchors.
        loss_weight: Factor of both losses, or the factors by name (`"loss_rpn_cls"`, `"loss_rpn_loc"`).
        box_reg_loss_type: `"smooth_l1"`, `"giou"`, `"diou"` or `"ciou"`.
        smooth_l1_beta: Threshold between the quadratic and the linear part of smooth L1; 0 is plain L1.

    Raises:
        ValueError: If a sampling argument, `score_thresh` or `box_reg_loss_type` is invalid.

    Source: Ren et al., "Faster R-CNN", 2015, section 3.
    """

    # Geometry of the proposals; `RRPN` overrides all three.
    _box_class: type[Boxes] | type[RotatedBoxes] = Boxes
    _batched_nms: BatchedNMS = staticmethod(batched_nms)
    _pairwise_iou: Callable[[Any, Any], Tensor] = staticmethod(pairwise_iou)

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
        score_thresh: float = 0.0,
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
        if not 0 <= score_thresh < 1:
            raise ValueError(f"{type(self).__name__}: score_thresh must be in [0, 1), got {score_thresh}")
        self.score_thresh = score_thresh
        self.anchor_boundary_thresh = anchor_boundary_thresh
        names = ("loss_rpn_cls", "loss_rpn_loc")
        self.loss_weight = dict(loss_weight) if isinstance(loss_weight, Mapping) else dict.fromkeys(names, loss_weight)
        self.box_reg_loss_type = check_box_reg_loss_type(box_reg_loss_type)
        self.smooth_l1_beta = smooth_l1_beta

    def forward(
        self,
        images: ImageList,
        features: Mapping[str, Tensor],
        gt_instances: Sequence[Instances] | None = None,
    ) -> tuple[list[Instances], dict[str, Tensor]]:
        """Propose boxes.

        Args:
            images: The batch; only `image_sizes` is used.
            features: Feature maps `(B, C, H, W)` by name.
            gt_instances: `Instances` with `gt_boxes` for each image; required in training.

        Returns:
            For each image `Instances` with `proposal_boxes` and `objectness_logits`, in descending order of the logits;
            and the losses `loss_rpn_cls` and `loss_rpn_loc`, an empty dict in inference.

        Raises:
            ValueError: If `gt_instances` are missing in training.
            FloatingPointError: If a prediction is infinite or NaN in training.
        """
        levels = [features[name] for name in self.in_features]
        anchors = self.anchor_generator(levels)
        logits, deltas = self.rpn_head(levels)
        logits = [flatten_cells(x, 1).squeeze(2) for x in logits]  # (B, H * W * A)
        deltas = [flatten_cells(x, self.anchor_generator.box_dim) for x in deltas]
        losses = {}
        if self.training:
            if gt_instances is None:
                raise ValueError(f"{type(self).__name__}: gt_instances are required in training")
            labels, boxes = self.label_and_sample_anchors(anchors, gt_instances)
            losses = self.losses(anchors, logits, labels, deltas, boxes)
        return self.predict_proposals(anchors, logits, deltas, images.image_sizes), losses

    @torch.no_grad()
    def label_and_sample_anchors(
        self, anchors: Sequence[Any], gt_instances: Sequence[Instances]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Label the anchors of each image, and sample those that contribute to the losses.

        Args:
            anchors: The anchors of each level, `R` in total, boxes of `D` coordinates.
            gt_instances: `Instances` with `gt_boxes` for each image.

        Returns:
            For each image the labels, `(R,)` int8: 1 for sampled positives, 0 for sampled negatives and -1 for all
            other anchors; and the matched ground-truth boxes, `(R, D)`, meaningful only for positives.
        """
        all_anchors = type(anchors[0]).cat(list(anchors))
        labels, matched_boxes = [], []
        for targets in gt_instances:
            matches, label = self.anchor_matcher(self._pairwise_iou(targets.gt_boxes, all_anchors))
            if self.anchor_boundary_thresh >= 0:
                inside = all_anchors.inside_box(targets.image_size, self.anchor_boundary_thresh)
                label = label.masked_fill(~inside, -1)
            labels.append(self._subsample_labels(label))
            gt_boxes = targets.gt_boxes.tensor
            # Without objects there is nothing to index; all labels are negative and the boxes are not used.
            matched_boxes.append(gt_boxes[matches] if len(gt_boxes) else torch.zeros_like(all_anchors.tensor))
        return labels, matched_boxes

    def _subsample_labels(self, label: Tensor) -> Tensor:
        """Return a copy of `label` `(R,)` in which all elements outside a random sample are -1."""
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
        """Return the losses, normalized by the number of sampled anchors.

        Both losses are divided by `batch_size_per_image * B`, also if fewer anchors could be sampled.

        Args:
            anchors: The anchors of each level, `R` in total, boxes of `D` coordinates.
            pred_objectness_logits: Logits of each level, `(B, H * W * A)`.
            gt_labels: Labels of each image, `(R,)`; see `label_and_sample_anchors`.
            pred_anchor_deltas: Deltas of each level, `(B, H * W * A, D)`.
            gt_boxes: Matched boxes of each image, `(R, D)`.

        Returns:
            The scalars `loss_rpn_cls` (binary cross-entropy) and `loss_rpn_loc` (box regression of positives).
        """
        labels = torch.stack(list(gt_labels))  # (B, R)
        positive = labels == 1
        if has_event_storage():
            storage = get_event_storage()
            storage.put_scalar("rpn/num_pos_anchors", positive.sum().item() / len(labels))
            storage.put_scalar("rpn/num_neg_anchors", (labels == 0).sum().item() / len(labels))
        localization = dense_box_regression_loss(
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
        losses = {"loss_rpn_cls": objectness / normalizer, "loss_rpn_loc": localization / normalizer}
        return {name: value * self.loss_weight.get(name, 1.0) for name, value in losses.items()}

    @torch.no_grad()
    def predict_proposals(
        self,
        anchors: Sequence[Any],
        pred_objectness_logits: Sequence[Tensor],
        pred_anchor_deltas: Sequence[Tensor],
        image_sizes: Sequence[tuple[int, int]],
    ) -> list[Instances]:
        """Decode the best anchors of each level, and select proposals by NMS.

        The proposals are detached from the graph: as in approximate joint training, the second stage treats the
        proposal boxes as constants and sends no gradient through their coordinates.

        Args:
            anchors: The anchors of each level.
            pred_objectness_logits: Logits of each level, `(B, H * W * A)`.
            pred_anchor_deltas: Deltas of each level, `(B, H * W * A, D)`.
            image_sizes: `(height, width)` of each image.

        Returns:
            For each image `Instances` with `proposal_boxes` and `objectness_logits`.

        Source: Ren et al., "Faster R-CNN", 2015, section 3.2, for approximate joint training.
        """
        boxes, scores = self._decode_top_anchors(anchors, pred_objectness_logits, pred_anchor_deltas)
        return suppress_proposals(
            boxes,
            scores,
            image_sizes,
            self.nms_thresh,
            self.post_nms_topk[self.training],
            self.min_box_size,
            self.training,
            self._box_class,
            self._batched_nms,
            -math.inf if self.score_thresh == 0 else math.log(self.score_thresh / (1 - self.score_thresh)),
        )

    def _decode_top_anchors(
        self, anchors: Sequence[Any], logits: Sequence[Tensor], deltas: Sequence[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return the boxes `(B, k, D)` and logits `(B, k)` of the best anchors of each level."""
        # Selecting before decoding saves the decoding of most anchors: the result is the same as in the other order.
        best = top_anchors(logits, self.pre_nms_topk[self.training])
        boxes, scores = [], []
        for level_anchors, level_deltas, (level_scores, indices) in zip(anchors, deltas, best, strict=True):
            top_anchor_boxes = level_anchors.tensor[indices]  # (B, k, D)
            top_deltas = gather_rows(level_deltas, indices)  # (B, k, D)
            decoded = self.box2box_transform.apply_deltas(top_deltas.flatten(0, 1), top_anchor_boxes.flatten(0, 1))
            boxes.append(decoded.reshape(top_anchor_boxes.shape))
            scores.append(level_scores)
        return boxes, scores


def flatten_cells(x: Tensor, num_outputs: int) -> Tensor:
    """Reorder the output `(B, A * D, H, W)` of a dense head to `(B, H * W * A, D)`, the order of the anchors."""
    batch, _, height, width = x.shape
    x = x.reshape(batch, -1, num_outputs, height, width).permute(0, 3, 4, 1, 2)  # (B, H, W, A, D)
    return x.reshape(batch, -1, num_outputs)
