"""ATSS: adaptive training sample selection for one-stage detectors with one anchor per location."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory import ops
from detectory.modeling.backbone import Backbone
from detectory.modeling.box_regression import Box2BoxTransform, Box2BoxTransformLinear
from detectory.modeling.layers import giou_loss
from detectory.structures import Boxes, ImageList, Instances, pairwise_iou

from .dense_detector import DenseDetector, targets_of_matches
from .fcos import centerness_of

_DISTANCES = Box2BoxTransformLinear(normalize_by_size=False)


class ATSSMatcher:
    """Assignment of anchors to objects by a threshold that adapts to each object.

    The candidates of an object are the anchors of each level with the nearest centers. The threshold is the mean plus
    the standard deviation of their IoUs. Positive anchors are the candidates above the threshold with a center inside
    the object.

    Args:
        topk: Number of candidates per level and object.

    Source: Zhang et al., "Bridging the Gap Between Anchor-based and Anchor-free Detection via Adaptive Training Sample
        Selection", 2020, algorithm 1.
    """

    def __init__(self, topk: int = 9) -> None:
        self.topk = topk

    @torch.no_grad()
    def __call__(self, gt_boxes: Boxes, anchors: Sequence[Boxes]) -> tuple[Tensor, Tensor]:
        """Match the `R` anchors of all levels with `M` objects.

        Args:
            gt_boxes: The objects.
            anchors: The anchors of each level.

        Returns:
            The index of the matched object, `(R,)` int64, meaningful only for positive anchors; and whether an anchor
            is positive, `(R,)` bool. An anchor that is positive for several objects belongs to that of the highest IoU.
        """
        all_anchors = Boxes.cat(list(anchors))
        count = len(all_anchors)
        if len(gt_boxes) == 0:
            device = all_anchors.device
            return torch.zeros(count, dtype=torch.int64, device=device), torch.zeros(
                count, dtype=torch.bool, device=device
            )
        iou = pairwise_iou(gt_boxes, all_anchors)  # (M, R)
        centers = all_anchors.get_centers()
        candidates = self._candidates(gt_boxes, centers, [len(level) for level in anchors])  # (M, C)
        candidate_iou = iou.gather(1, candidates)
        threshold = candidate_iou.mean(dim=1, keepdim=True) + candidate_iou.std(dim=1, keepdim=True)
        chosen = centers[candidates]  # (M, C, 2)
        corners = gt_boxes.tensor[:, None]
        margins = torch.cat((chosen - corners[..., :2], corners[..., 2:] - chosen), dim=2)
        positive = (candidate_iou >= threshold) & (margins.amin(dim=2) > 0.01)
        quality = torch.full_like(iou, -1.0)
        quality.scatter_(1, candidates, candidate_iou.masked_fill(~positive, -1.0))
        best, matches = quality.max(dim=0)
        return matches, best >= 0

    def _candidates(self, gt_boxes: Boxes, centers: Tensor, level_sizes: Sequence[int]) -> Tensor:
        """Return the indices of the candidates of each object, `(M, C)`."""
        distances = torch.cdist(gt_boxes.get_centers(), centers)  # (M, R)
        indices, start = [], 0
        for size in level_sizes:
            level = distances[:, start : start + size]
            indices.append(level.topk(min(self.topk, size), dim=1, largest=False).indices + start)
            start += size
        return torch.cat(indices, dim=1)


class ATSS(DenseDetector):
    """Dense detector with one square anchor per location, a centerness branch, and adaptive positive samples.

    Args:
        backbone: Maps images to feature maps.
        head: Maps the feature maps to class logits, deltas and centerness logits, like `FCOSHead`.
        head_in_features: Names of the feature maps, from fine to coarse; `None` for all outputs of the backbone.
        anchor_generator: Maps the feature maps to anchors, one per location.
        box2box_transform: Parametrization of the deltas.
        anchor_matcher: Assigns anchors to objects.
        num_classes: Number of classes, `K`.
        focal_loss_alpha: Weight of positives; negatives have the weight `1 - alpha`.
        focal_loss_gamma: Exponent that reduces the loss of well-classified anchors.
        box_loss_weight: Factor of the GIoU loss.
        test_score_thresh: Score threshold of the candidates, exclusive, before the multiplication with the centerness.
        test_topk_candidates: Maximum number of candidates per level before NMS.
        test_nms_thresh: IoU threshold of the NMS within each class.
        max_detections_per_image: Maximum number of detections per image.
        pixel_mean: Mean of each channel, in the range of the input images (0 to 255).
        pixel_std: Standard deviation of each channel, in the same range.
        input_format: Order of the channels, `"BGR"` or `"RGB"`. Used by the trainer.

    Source: Zhang et al., "Bridging the Gap Between Anchor-based and Anchor-free Detection via Adaptive Training Sample
        Selection", 2020.
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        head: nn.Module,
        head_in_features: Sequence[str] | None = None,
        anchor_generator: nn.Module,
        box2box_transform: Box2BoxTransform,
        anchor_matcher: ATSSMatcher | None = None,
        num_classes: int,
        focal_loss_alpha: float = 0.25,
        focal_loss_gamma: float = 2.0,
        box_loss_weight: float = 2.0,
        test_score_thresh: float = 0.05,
        test_topk_candidates: int = 1000,
        test_nms_thresh: float = 0.6,
        max_detections_per_image: int = 100,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
        input_format: str = "RGB",
    ) -> None:
        super().__init__(backbone, head, head_in_features, pixel_mean=pixel_mean, pixel_std=pixel_std)
        self.anchor_generator = anchor_generator
        self.box2box_transform = box2box_transform
        self.anchor_matcher = anchor_matcher or ATSSMatcher()
        self.num_classes = num_classes
        self.focal_loss_alpha = focal_loss_alpha
        self.focal_loss_gamma = focal_loss_gamma
        self.box_loss_weight = box_loss_weight
        self.test_score_thresh = test_score_thresh
        self.test_topk_candidates = test_topk_candidates
        self.test_nms_thresh = test_nms_thresh
        self.max_detections_per_image = max_detections_per_image
        self.input_format = input_format
        self.loss_normalizer = 1.0
        self.clip_before_nms = True

    def forward_training(
        self,
        images: ImageList,
        features: Sequence[Tensor],
        predictions: Sequence[Sequence[Tensor]],
        gt_instances: Sequence[Instances],
    ) -> dict[str, Tensor]:
        """Return the losses `loss_cls` (focal), `loss_box_reg` (GIoU) and `loss_centerness` (binary cross-entropy)."""
        del images
        logits, deltas, centerness = (
            torch.cat(levels, dim=1) for levels in self._flatten(predictions, (self.num_classes, 4, 1))
        )
        anchors = self.anchor_generator(features)
        labels, boxes = self.label_anchors(anchors, gt_instances)
        positive = labels != self.num_classes
        normalizer = max(self._positive_count(positive), 1)
        targets = F.one_hot(labels, self.num_classes + 1)[..., :-1].to(logits.dtype)
        focal = ops.sigmoid_focal_loss(logits, targets, self.focal_loss_alpha, self.focal_loss_gamma, reduction="sum")
        image, anchor = positive.nonzero(as_tuple=True)
        anchor_boxes = Boxes.cat(list(anchors))[anchor]
        target_boxes = boxes[image, anchor]
        centerness_targets = centerness_of(_DISTANCES.get_deltas(anchor_boxes.tensor, target_boxes))
        predicted = self.box2box_transform.apply_deltas(deltas[image, anchor], anchor_boxes.tensor)
        giou = giou_loss(predicted, target_boxes, reduction="none") * centerness_targets
        cross_entropy = F.binary_cross_entropy_with_logits(
            centerness[image, anchor, 0], centerness_targets, reduction="sum"
        )
        return {
            "loss_cls": focal / normalizer,
            "loss_box_reg": self.box_loss_weight * giou.sum() / centerness_targets.sum().clamp(min=1e-6),
            "loss_centerness": cross_entropy / normalizer,
        }

    @torch.no_grad()
    def label_anchors(self, anchors: Sequence[Boxes], gt_instances: Sequence[Instances]) -> tuple[Tensor, Tensor]:
        """Match the anchors of each image with its objects.

        Args:
            anchors: The anchors of each level, `R` in total.
            gt_instances: `Instances` with `gt_boxes` and `gt_classes` for each of the `B` images.

        Returns:
            The labels `(B, R)`: a class, or `K` for background; and the matched boxes `(B, R, 4)`, meaningful only for
            anchors with a class.
        """
        matched = [self.anchor_matcher(targets.gt_boxes, anchors) for targets in gt_instances]
        return targets_of_matches(matched, gt_instances, self.num_classes)

    def forward_inference(
        self, images: ImageList, features: Sequence[Tensor], predictions: Sequence[Sequence[Tensor]]
    ) -> list[Instances]:
        """Return the detections of each image, with the product of class probability and centerness as score."""
        logits, deltas, centerness = self._flatten(predictions, (self.num_classes, 4, 1))
        anchors = self.anchor_generator(features)
        return [
            self._detect(
                anchors,
                [x[i].sigmoid() for x in logits],
                [x[i] for x in deltas],
                size,
                [x[i].squeeze(1).sigmoid() for x in centerness],
            )
            for i, size in enumerate(images.image_sizes)
        ]
