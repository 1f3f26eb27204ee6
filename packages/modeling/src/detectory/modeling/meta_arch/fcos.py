"""FCOS."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory import ops
from detectory.modeling.anchor_generator import DefaultAnchorGenerator
from detectory.modeling.backbone import Backbone
from detectory.modeling.box_regression import Box2BoxTransformLinear, dense_box_regression_loss
from detectory.structures import Boxes, ImageList, Instances, pairwise_point_box_distance

from .dense_detector import DenseDetector
from .dense_head import FCOSHead

__all__ = ["FCOS", "FCOSHead"]


class FCOS(DenseDetector):
    """A dense detector that predicts, at every location, distances to the sides of its object.

    A location is written as a square anchor with the side of its level's stride.

    Args:
        backbone: Maps images to feature maps.
        head: Maps levels to logits, deltas and centre-ness, as `FCOSHead`.
        head_in_features: Names of the levels; `None` for all outputs of the backbone.
        box2box_transform: What the deltas mean; by default distances in units of the stride.
        num_classes: `K`.
        center_sampling_radius: A location is positive only within this many strides of its object's centre.
        focal_loss_alpha: Weight of positives, against `1 - alpha` of negatives.
        focal_loss_gamma: How fast the loss of easy locations fades.
        test_score_thresh: Candidates must score higher.
        test_topk_candidates: Most candidates of a level.
        test_nms_thresh: IoU above which the lesser of two detections of a class goes.
        max_detections_per_image: Most detections of an image.
        pixel_mean: Mean of each channel, in the units of the input (0 to 255).
        pixel_std: Deviation of each channel.

    Attributes:
        loss_normalizer: Running mean of the number of positive locations in a batch.

    Source: Tian et al., "FCOS: Fully Convolutional One-Stage Object Detection", 2019.
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        head: nn.Module,
        head_in_features: Sequence[str] | None = None,
        box2box_transform: Box2BoxTransformLinear | None = None,
        num_classes: int,
        center_sampling_radius: float = 1.5,
        focal_loss_alpha: float = 0.25,
        focal_loss_gamma: float = 2.0,
        test_score_thresh: float = 0.2,
        test_topk_candidates: int = 1000,
        test_nms_thresh: float = 0.6,
        max_detections_per_image: int = 100,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
    ) -> None:
        super().__init__(backbone, head, head_in_features, pixel_mean=pixel_mean, pixel_std=pixel_std)
        shapes = backbone.output_shape()
        strides = [shapes[name].stride for name in self.head_in_features]
        self.anchor_generator = DefaultAnchorGenerator(
            sizes=[[stride] for stride in strides], aspect_ratios=[1.0], strides=strides, offset=0.5
        )
        self.box2box_transform = box2box_transform or Box2BoxTransformLinear(normalize_by_size=True)
        self.num_classes = num_classes
        self.center_sampling_radius = center_sampling_radius
        self.focal_loss_alpha = focal_loss_alpha
        self.focal_loss_gamma = focal_loss_gamma
        self.test_score_thresh = test_score_thresh
        self.test_topk_candidates = test_topk_candidates
        self.test_nms_thresh = test_nms_thresh
        self.max_detections_per_image = max_detections_per_image
        self.loss_normalizer = 300.0

    def forward_training(
        self,
        images: ImageList,
        features: Sequence[Tensor],
        predictions: Sequence[Sequence[Tensor]],
        gt_instances: Sequence[Instances],
    ) -> dict[str, Tensor]:
        """Return `loss_fcos_cls`, `loss_fcos_loc` and `loss_fcos_ctr`."""
        del images
        logits, deltas, centerness = self._flatten(predictions, (self.num_classes, 4, 1))
        anchors = self.anchor_generator(features)
        labels, boxes = self.label_anchors(anchors, gt_instances)
        return self.losses(anchors, logits, labels, deltas, boxes, centerness)

    @torch.no_grad()
    def label_anchors(
        self, anchors: Sequence[Boxes], gt_instances: Sequence[Instances]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Match the locations of every image with its objects.

        Args:
            anchors: Locations of every level, together `R`.
            gt_instances: `gt_boxes` and `gt_classes` of every image.

        Returns:
            For every image labels `(R,)`, `K` for background, and matched boxes `(R, 4)`, of no meaning
            where the label is `K`.
        """
        labels, boxes = [], []
        for truth in gt_instances:
            count = sum(len(level) for level in anchors)
            if len(truth) == 0:
                labels.append(truth.gt_classes.new_full((count,), self.num_classes))
                boxes.append(truth.gt_boxes.tensor.new_zeros((count, 4)))
                continue
            quality, match = self._match_quality(truth.gt_boxes, anchors).max(dim=0)
            labels.append(truth.gt_classes[match].masked_fill(quality <= 0, self.num_classes))
            boxes.append(truth.gt_boxes.tensor[match])
        return labels, boxes

    def _match_quality(self, truth: Boxes, anchors: Sequence[Boxes]) -> Tensor:
        """Return `(M, R)`: zero where an object is none of the location's business, else more for smaller objects."""
        locations = Boxes.cat(list(anchors))
        centers = locations.get_centers()  # (R, 2)
        side = locations.tensor[:, 2] - locations.tensor[:, 0]  # (R,)
        # Section 3.2: level i answers for distances from 4 to 8 strides; the first and last have no outer limit.
        nearest, farthest = side * 4, side * 8
        nearest[: len(anchors[0])] = 0
        farthest[len(locations) - len(anchors[-1]) :] = float("inf")
        distances = pairwise_point_box_distance(centers, truth).permute(1, 0, 2)  # (M, R, 4)
        reach = distances.amax(dim=2)
        match = (distances.amin(dim=2) > 0) & (reach > nearest) & (reach < farthest)
        off_center = (centers[None] - truth.get_centers()[:, None]).abs().amax(dim=2)  # (M, R)
        match &= off_center < self.center_sampling_radius * side
        # An object inside another one is the smaller: it wins the locations that both claim.
        return match * (1e8 - truth.area()[:, None])

    def losses(
        self,
        anchors: Sequence[Boxes],
        pred_logits: Sequence[Tensor],
        gt_labels: Sequence[Tensor],
        pred_anchor_deltas: Sequence[Tensor],
        gt_boxes: Sequence[Tensor],
        pred_centerness: Sequence[Tensor],
    ) -> dict[str, Tensor]:
        """Return the three losses, each per positive location (a running mean of their number).

        Args:
            anchors: Locations of every level, together `R`.
            pred_logits: `(B, H * W, K)` of every level.
            gt_labels: `(R,)` of every image.
            pred_anchor_deltas: `(B, H * W, 4)` of every level.
            gt_boxes: `(R, 4)` of every image.
            pred_centerness: Logits `(B, H * W, 1)` of every level.
        """
        labels = torch.stack(list(gt_labels))  # (B, R)
        positive = (labels >= 0) & (labels != self.num_classes)
        normalizer = self._normalizer(positive)
        logits = torch.cat(list(pred_logits), dim=1)
        targets = F.one_hot(labels, self.num_classes + 1)[..., :-1].to(logits.dtype)
        focal = ops.sigmoid_focal_loss(logits, targets, self.focal_loss_alpha, self.focal_loss_gamma, reduction="sum")
        location = dense_box_regression_loss(
            anchors, self.box2box_transform, pred_anchor_deltas, gt_boxes, positive, box_reg_loss_type="giou"
        )
        wanted = self.compute_ctrness_targets(anchors, gt_boxes)[positive]
        centerness = torch.cat(list(pred_centerness), dim=1).squeeze(2)[positive]
        center = F.binary_cross_entropy_with_logits(centerness, wanted, reduction="sum")
        return {
            "loss_fcos_cls": focal / normalizer,
            "loss_fcos_loc": location / normalizer,
            "loss_fcos_ctr": center / normalizer,
        }

    def compute_ctrness_targets(self, anchors: Sequence[Boxes], gt_boxes: Sequence[Tensor]) -> Tensor:
        """Return centre-ness `(B, R)` in `[0, 1]`: 1 at an object's centre, 0 at its sides (equation 3)."""
        locations = Boxes.cat(list(anchors)).tensor
        distances = torch.stack([self.box2box_transform.get_deltas(locations, boxes) for boxes in gt_boxes])
        left, top, right, bottom = distances.unbind(dim=-1)
        across = torch.minimum(left, right) / torch.maximum(left, right)
        down = torch.minimum(top, bottom) / torch.maximum(top, bottom)
        # Locations outside their box, which no loss looks at, would give the root of a negative number.
        return (across * down).clamp(min=0).sqrt()

    def forward_inference(
        self, images: ImageList, features: Sequence[Tensor], predictions: Sequence[Sequence[Tensor]]
    ) -> list[Instances]:
        """Return the detections of every image; a score is the geometric mean of class and centre-ness."""
        logits, deltas, centerness = self._flatten(predictions, (self.num_classes, 4, 1))
        anchors = self.anchor_generator(features)
        results = []
        for i, size in enumerate(images.image_sizes):
            scores = [(x[i].sigmoid() * c[i].sigmoid()).sqrt() for x, c in zip(logits, centerness, strict=True)]
            results.append(self._detect(anchors, scores, [x[i] for x in deltas], size))
        return results
