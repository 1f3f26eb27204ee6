"""FCOS, an anchor-free one-stage detector."""

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
    """Dense detector that predicts, at every location, the distances to the four sides of its object.

    A location is represented by a square anchor centered on it, with the stride of the level as its side length.

    Args:
        backbone: Maps images to feature maps.
        head: Maps the feature maps to class logits, deltas and centerness logits, like `FCOSHead`.
        head_in_features: Names of the feature maps, from fine to coarse; `None` for all outputs of the backbone.
        box2box_transform: Parametrization of the deltas, by default distances in units of the stride.
        num_classes: Number of classes, `K`.
        center_sampling_radius: Maximum distance, in strides, of a positive location from the center of its object.
        focal_loss_alpha: Weight of positives; negatives have the weight `1 - alpha`.
        focal_loss_gamma: Exponent that reduces the loss of well-classified locations.
        test_score_thresh: Score threshold of the candidates, exclusive.
        test_topk_candidates: Maximum number of candidates per level before NMS.
        test_nms_thresh: IoU threshold of the NMS within each class.
        max_detections_per_image: Maximum number of detections per image.
        score_rule: How class probability and centerness are combined: `"geometric_mean"`, which also ranks the
            candidates, or `"product"`, with candidates ranked by their class probability.
        input_format: Order of the channels, `"BGR"` or `"RGB"`. Used by the trainer.
        anchor_generator: Maps the feature maps to one square anchor per cell; by default centered on the cell.
        clip_before_nms: Whether to clip boxes to the image before the NMS instead of after it.
        drop_empty_boxes: Whether to remove boxes without width or height before the NMS.
        pixel_mean: Mean of each channel, in the range of the input images (0 to 255).
        pixel_std: Standard deviation of each channel, in the same range.

    Attributes:
        loss_normalizer: Running mean of the number of positive locations per batch.

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
        score_rule: str = "geometric_mean",
        input_format: str = "BGR",
        anchor_generator: nn.Module | None = None,
        clip_before_nms: bool = False,
        drop_empty_boxes: bool = False,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
    ) -> None:
        if score_rule not in ("geometric_mean", "product"):
            raise ValueError(f"FCOS: score_rule must be 'geometric_mean' or 'product', got {score_rule!r}")
        super().__init__(backbone, head, head_in_features, pixel_mean=pixel_mean, pixel_std=pixel_std)
        shapes = backbone.output_shape()
        strides = [shapes[name].stride for name in self.head_in_features]
        self.anchor_generator = anchor_generator or DefaultAnchorGenerator(
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
        self.score_rule = score_rule
        self.input_format = input_format
        self.clip_before_nms = clip_before_nms
        self.drop_empty_boxes = drop_empty_boxes
        self.loss_normalizer = 300.0

    def forward_training(
        self,
        images: ImageList,
        features: Sequence[Tensor],
        predictions: Sequence[Sequence[Tensor]],
        gt_instances: Sequence[Instances],
    ) -> dict[str, Tensor]:
        """Return the losses `loss_fcos_cls`, `loss_fcos_loc` and `loss_fcos_ctr`."""
        del images
        logits, deltas, centerness = self._flatten(predictions, (self.num_classes, 4, 1))
        anchors = self.anchor_generator(features)
        labels, boxes = self.label_anchors(anchors, gt_instances)
        return self.losses(anchors, logits, labels, deltas, boxes, centerness)

    @torch.no_grad()
    def label_anchors(
        self, anchors: Sequence[Boxes], gt_instances: Sequence[Instances]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Assign the locations of each image to its objects.

        Args:
            anchors: The locations of each level, `R` in total.
            gt_instances: `Instances` with `gt_boxes` and `gt_classes` for each image.

        Returns:
            For each image the labels `(R,)`, `K` for background; and the matched boxes `(R, 4)`, meaningful only for
            locations with an object.
        """
        labels, matched_boxes = [], []
        num_locations = sum(len(level) for level in anchors)
        for targets in gt_instances:
            if len(targets) == 0:
                labels.append(targets.gt_classes.new_full((num_locations,), self.num_classes))
                matched_boxes.append(targets.gt_boxes.tensor.new_zeros((num_locations, 4)))
                continue
            quality, matches = self._match_quality(targets.gt_boxes, anchors).max(dim=0)
            labels.append(targets.gt_classes[matches].masked_fill(quality <= 0, self.num_classes))
            matched_boxes.append(targets.gt_boxes.tensor[matches])
        return labels, matched_boxes

    def _match_quality(self, gt_boxes: Boxes, anchors: Sequence[Boxes]) -> Tensor:
        """Return match qualities `(M, R)`: 0 without a match, otherwise larger for smaller objects."""
        locations = Boxes.cat(list(anchors))
        centers = locations.get_centers()  # (R, 2)
        side = locations.tensor[:, 2] - locations.tensor[:, 0]  # (R,)
        # Section 3.2: a level regresses objects whose largest distance is between 4 and 8 strides. The first level has
        # no lower and the last one no upper limit.
        min_distance = side * 4
        max_distance = side * 8
        min_distance[: len(anchors[0])] = 0
        max_distance[len(locations) - len(anchors[-1]) :] = float("inf")
        distances = pairwise_point_box_distance(centers, gt_boxes).permute(1, 0, 2)  # (M, R, 4)
        is_inside = distances.amin(dim=2) > 0
        largest = distances.amax(dim=2)
        is_match = is_inside & (largest > min_distance) & (largest < max_distance)
        center_distance = (centers[None] - gt_boxes.get_centers()[:, None]).abs().amax(dim=2)  # (M, R)
        is_match &= center_distance < self.center_sampling_radius * side
        # Section 3.2: an ambiguous location, inside several objects, belongs to the one with the smallest area.
        return is_match * (1e8 - gt_boxes.area()[:, None])

    def losses(
        self,
        anchors: Sequence[Boxes],
        pred_logits: Sequence[Tensor],
        gt_labels: Sequence[Tensor],
        pred_anchor_deltas: Sequence[Tensor],
        gt_boxes: Sequence[Tensor],
        pred_centerness: Sequence[Tensor],
    ) -> dict[str, Tensor]:
        """Return the losses, divided by the running mean of the number of positive locations.

        Args:
            anchors: The locations of each level, `R` in total.
            pred_logits: Class logits of each level, `(B, H * W, K)`.
            gt_labels: Labels of each image, `(R,)`; see `label_anchors`.
            pred_anchor_deltas: Deltas of each level, `(B, H * W, 4)`.
            gt_boxes: Matched boxes of each image, `(R, 4)`.
            pred_centerness: Centerness logits of each level, `(B, H * W, 1)`.

        Returns:
            The scalars `loss_fcos_cls` (focal loss), `loss_fcos_loc` (GIoU) and `loss_fcos_ctr` (binary cross-entropy).
        """
        labels = torch.stack(list(gt_labels))  # (B, R)
        positive = (labels >= 0) & (labels != self.num_classes)
        normalizer = self._normalizer(positive)
        logits = torch.cat(list(pred_logits), dim=1)
        targets = F.one_hot(labels, self.num_classes + 1)[..., :-1].to(logits.dtype)
        focal = ops.sigmoid_focal_loss(logits, targets, self.focal_loss_alpha, self.focal_loss_gamma, reduction="sum")
        localization = dense_box_regression_loss(
            anchors, self.box2box_transform, pred_anchor_deltas, gt_boxes, positive, box_reg_loss_type="giou"
        )
        centerness_targets = self.compute_ctrness_targets(anchors, gt_boxes)[positive]
        centerness_logits = torch.cat(list(pred_centerness), dim=1).squeeze(2)[positive]
        centerness = F.binary_cross_entropy_with_logits(centerness_logits, centerness_targets, reduction="sum")
        return {
            "loss_fcos_cls": focal / normalizer,
            "loss_fcos_loc": localization / normalizer,
            "loss_fcos_ctr": centerness / normalizer,
        }

    def compute_ctrness_targets(self, anchors: Sequence[Boxes], gt_boxes: Sequence[Tensor]) -> Tensor:
        """Return the centerness targets, 1 at the center of an object and 0 at its sides.

        Args:
            anchors: The locations of each level, `R` in total.
            gt_boxes: Matched boxes of each image, `(R, 4)`.

        Returns:
            `(B, R)` in [0, 1]; meaningful only for locations inside their box.
        """
        locations = Boxes.cat(list(anchors)).tensor
        distances = torch.stack([self.box2box_transform.get_deltas(locations, boxes) for boxes in gt_boxes])
        return centerness_of(distances)

    def forward_inference(
        self, images: ImageList, features: Sequence[Tensor], predictions: Sequence[Sequence[Tensor]]
    ) -> list[Instances]:
        """Return the detections of each image, with scores by `score_rule`."""
        logits, deltas, centerness = self._flatten(predictions, (self.num_classes, 4, 1))
        anchors = self.anchor_generator(features)
        results = []
        for i, size in enumerate(images.image_sizes):
            scores, image_deltas = [x[i].sigmoid() for x in logits], [x[i] for x in deltas]
            factors = [x[i].sigmoid() for x in centerness]
            if self.score_rule == "product":
                results.append(self._detect(anchors, scores, image_deltas, size, [x.squeeze(1) for x in factors]))
            else:
                scores = [(x * factor).sqrt() for x, factor in zip(scores, factors, strict=True)]
                results.append(self._detect(anchors, scores, image_deltas, size))
        return results


def centerness_of(distances: Tensor) -> Tensor:
    """Return the centerness of locations: 1 at the center of their object and 0 at its sides.

    Args:
        distances: `(…, 4)` distances to the left, top, right and bottom side, in any unit.

    Returns:
        `(…)` in [0, 1]; meaningful only for locations inside their object.

    Source: Tian et al., "FCOS", 2019, equation 3.
    """
    left, top, right, bottom = distances.unbind(dim=-1)
    horizontal = torch.minimum(left, right) / torch.maximum(left, right)
    vertical = torch.minimum(top, bottom) / torch.maximum(top, bottom)
    # The clamp avoids NaN for locations outside their object, where the product can be negative.
    return (horizontal * vertical).clamp(min=0).sqrt()
