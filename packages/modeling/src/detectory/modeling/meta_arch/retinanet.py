"""RetinaNet."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory import ops
from detectory.modeling.backbone import Backbone
from detectory.modeling.box_regression import Box2BoxTransform, check_box_reg_loss_type, dense_box_regression_loss
from detectory.modeling.matcher import Matcher
from detectory.structures import Boxes, ImageList, Instances, pairwise_iou

from .dense_detector import DenseDetector
from .dense_head import RetinaNetHead

__all__ = ["RetinaNet", "RetinaNetHead"]


class RetinaNet(DenseDetector):
    """A dense detector on anchors, trained with the focal loss.

    Args:
        backbone: Maps images to feature maps.
        head: Maps levels to logits and deltas, as `RetinaNetHead`.
        head_in_features: Names of the levels.
        anchor_generator: Maps levels to anchors.
        box2box_transform: What the deltas mean.
        anchor_matcher: Labels anchors by their IoU with ground truth.
        num_classes: `K`.
        focal_loss_alpha: Weight of positives, against `1 - alpha` of negatives.
        focal_loss_gamma: How fast the loss of easy anchors fades.
        smooth_l1_beta: Where smooth L1 turns linear; 0 is plain L1.
        box_reg_loss_type: `"smooth_l1"`, `"giou"`, `"diou"` or `"ciou"`.
        test_score_thresh: Candidates must score higher.
        test_topk_candidates: Most candidates of a level.
        test_nms_thresh: IoU above which the lesser of two detections of a class goes.
        max_detections_per_image: Most detections of an image.
        pixel_mean: Mean of each channel, in the units of the input (0 to 255).
        pixel_std: Deviation of each channel.
        vis_period: Iterations from one picture of the training to the next; kept for the trainer.
        input_format: Meaning of the channels (`"BGR"`, `"RGB"`).

    Attributes:
        loss_normalizer: Running mean of the number of positive anchors in a batch.

    Source: Lin et al., "Focal Loss for Dense Object Detection", 2017.
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        head: nn.Module,
        head_in_features: Sequence[str],
        anchor_generator: nn.Module,
        box2box_transform: Box2BoxTransform,
        anchor_matcher: Matcher,
        num_classes: int,
        focal_loss_alpha: float = 0.25,
        focal_loss_gamma: float = 2.0,
        smooth_l1_beta: float = 0.0,
        box_reg_loss_type: str = "smooth_l1",
        test_score_thresh: float = 0.05,
        test_topk_candidates: int = 1000,
        test_nms_thresh: float = 0.5,
        max_detections_per_image: int = 100,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
        vis_period: int = 0,
        input_format: str = "BGR",
    ) -> None:
        super().__init__(backbone, head, head_in_features, pixel_mean=pixel_mean, pixel_std=pixel_std)
        self.anchor_generator = anchor_generator
        self.box2box_transform = box2box_transform
        self.anchor_matcher = anchor_matcher
        self.num_classes = num_classes
        self.focal_loss_alpha = focal_loss_alpha
        self.focal_loss_gamma = focal_loss_gamma
        self.smooth_l1_beta = smooth_l1_beta
        self.box_reg_loss_type = check_box_reg_loss_type(box_reg_loss_type)
        self.test_score_thresh = test_score_thresh
        self.test_topk_candidates = test_topk_candidates
        self.test_nms_thresh = test_nms_thresh
        self.max_detections_per_image = max_detections_per_image
        self.vis_period = vis_period
        self.input_format = input_format
        self.loss_normalizer = 100.0

    def forward_training(
        self,
        images: ImageList,
        features: Sequence[Tensor],
        predictions: Sequence[Sequence[Tensor]],
        gt_instances: Sequence[Instances],
    ) -> dict[str, Tensor]:
        """Return `loss_cls` and `loss_box_reg`."""
        del images
        logits, deltas = self._flatten(predictions, (self.num_classes, 4))
        anchors = self.anchor_generator(features)
        labels, boxes = self.label_anchors(anchors, gt_instances)
        return self.losses(anchors, logits, labels, deltas, boxes)

    @torch.no_grad()
    def label_anchors(
        self, anchors: Sequence[Boxes], gt_instances: Sequence[Instances]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Match the anchors of every image with its objects.

        Args:
            anchors: Boxes of every level, together `R`.
            gt_instances: `gt_boxes` and `gt_classes` of every image.

        Returns:
            For every image labels `(R,)`: a class, `K` for background, -1 for ignored; and matched boxes
            `(R, 4)`, of no meaning where the label is no class.
        """
        everywhere = Boxes.cat(list(anchors))
        labels, boxes = [], []
        for truth in gt_instances:
            matches, kind = self.anchor_matcher(pairwise_iou(truth.gt_boxes, everywhere))
            if len(truth):
                label = truth.gt_classes[matches].masked_fill(kind == 0, self.num_classes).masked_fill(kind == -1, -1)
                boxes.append(truth.gt_boxes.tensor[matches])
            else:
                label = torch.full_like(matches, self.num_classes)
                boxes.append(torch.zeros_like(everywhere.tensor))
            labels.append(label)
        return labels, boxes

    def losses(
        self,
        anchors: Sequence[Boxes],
        pred_logits: Sequence[Tensor],
        gt_labels: Sequence[Tensor],
        pred_anchor_deltas: Sequence[Tensor],
        gt_boxes: Sequence[Tensor],
    ) -> dict[str, Tensor]:
        """Return `loss_cls` and `loss_box_reg`, both per positive anchor (a running mean of their number).

        Args:
            anchors: Boxes of every level, together `R`.
            pred_logits: `(B, H * W * A, K)` of every level.
            gt_labels: `(R,)` of every image, see `label_anchors`.
            pred_anchor_deltas: `(B, H * W * A, 4)` of every level.
            gt_boxes: `(R, 4)` of every image.
        """
        labels = torch.stack(list(gt_labels))  # (B, R)
        counted = labels >= 0
        positive = counted & (labels != self.num_classes)
        normalizer = self._normalizer(positive)
        logits = torch.cat(list(pred_logits), dim=1)[counted]
        targets = F.one_hot(labels[counted], self.num_classes + 1)[:, :-1].to(logits.dtype)
        focal = ops.sigmoid_focal_loss(logits, targets, self.focal_loss_alpha, self.focal_loss_gamma, reduction="sum")
        location = dense_box_regression_loss(
            anchors,
            self.box2box_transform,
            pred_anchor_deltas,
            gt_boxes,
            positive,
            self.box_reg_loss_type,
            self.smooth_l1_beta,
        )
        return {"loss_cls": focal / normalizer, "loss_box_reg": location / normalizer}

    def forward_inference(
        self, images: ImageList, features: Sequence[Tensor], predictions: Sequence[Sequence[Tensor]]
    ) -> list[Instances]:
        """Return the detections of every image."""
        logits, deltas = self._flatten(predictions, (self.num_classes, 4))
        anchors = self.anchor_generator(features)
        return [
            self.inference_single_image(anchors, [x[i].sigmoid() for x in logits], [x[i] for x in deltas], size)
            for i, size in enumerate(images.image_sizes)
        ]

    def inference_single_image(
        self,
        anchors: Sequence[Boxes],
        box_cls: Sequence[Tensor],
        box_delta: Sequence[Tensor],
        image_size: tuple[int, int],
    ) -> Instances:
        """Detect in one image.

        Args:
            anchors: Boxes of every level.
            box_cls: Probabilities `(H * W * A, K)` of every level.
            box_delta: `(H * W * A, 4)` of every level.
            image_size: `(height, width)`.

        Returns:
            `Instances` with `pred_boxes`, `scores` and `pred_classes`, best first.
        """
        return self._detect(anchors, box_cls, box_delta, image_size)
