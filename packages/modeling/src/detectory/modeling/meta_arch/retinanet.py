"""RetinaNet, an anchor-based one-stage detector."""

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
    """Dense detector with anchors, trained with the focal loss.

    Args:
        backbone: Maps images to feature maps.
        head: Maps the feature maps to class logits and deltas, like `RetinaNetHead`.
        head_in_features: Names of the feature maps, from fine to coarse.
        anchor_generator: Maps the feature maps to anchors.
        box2box_transform: Parametrization of the deltas.
        anchor_matcher: Labels anchors by their IoU with the ground truth.
        num_classes: Number of classes, `K`.
        focal_loss_alpha: Weight of positives; negatives have the weight `1 - alpha`.
        focal_loss_gamma: Exponent that reduces the loss of well-classified anchors.
        smooth_l1_beta: Threshold between the quadratic and the linear part of smooth L1; 0 is plain L1.
        box_reg_loss_type: `"smooth_l1"`, `"giou"`, `"diou"` or `"ciou"`.
        test_score_thresh: Score threshold of the candidates, exclusive.
        test_topk_candidates: Maximum number of candidates per level before NMS.
        test_nms_thresh: IoU threshold of the NMS within each class.
        max_detections_per_image: Maximum number of detections per image.
        pixel_mean: Mean of each channel, in the range of the input images (0 to 255).
        pixel_std: Standard deviation of each channel, in the same range.
        vis_period: Period, in iterations, of visualizing the training; 0 for never. Used by the trainer.
        input_format: Order of the channels, `"BGR"` or `"RGB"`. Used by the trainer.
        clip_before_nms: Whether to clip boxes to the image before the NMS instead of after it.

    Attributes:
        loss_normalizer: Running mean of the number of positive anchors per batch.

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
        clip_before_nms: bool = False,
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
        self.clip_before_nms = clip_before_nms

    def forward_training(
        self,
        images: ImageList,
        features: Sequence[Tensor],
        predictions: Sequence[Sequence[Tensor]],
        gt_instances: Sequence[Instances],
    ) -> dict[str, Tensor]:
        """Return the losses `loss_cls` and `loss_box_reg`."""
        del images
        logits, deltas = self._flatten(predictions, (self.num_classes, 4))
        anchors = self.anchor_generator(features)
        labels, boxes = self.label_anchors(anchors, gt_instances)
        return self.losses(anchors, logits, labels, deltas, boxes)

    @torch.no_grad()
    def label_anchors(
        self, anchors: Sequence[Boxes], gt_instances: Sequence[Instances]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Match the anchors of each image with its objects.

        Args:
            anchors: The anchors of each level, `R` in total.
            gt_instances: `Instances` with `gt_boxes` and `gt_classes` for each image.

        Returns:
            For each image the labels `(R,)`: a class, `K` for background, or -1 for ignored; and the matched boxes `(R,
            4)`, meaningful only for anchors with a class.
        """
        all_anchors = Boxes.cat(list(anchors))
        labels, matched_boxes = [], []
        for targets in gt_instances:
            matches, match_labels = self.anchor_matcher(pairwise_iou(targets.gt_boxes, all_anchors))
            if len(targets):
                classes = targets.gt_classes[matches]
                classes = classes.masked_fill(match_labels == 0, self.num_classes).masked_fill(match_labels == -1, -1)
                matched_boxes.append(targets.gt_boxes.tensor[matches])
            else:
                classes = torch.full_like(matches, self.num_classes)
                matched_boxes.append(torch.zeros_like(all_anchors.tensor))
            labels.append(classes)
        return labels, matched_boxes

    def losses(
        self,
        anchors: Sequence[Boxes],
        pred_logits: Sequence[Tensor],
        gt_labels: Sequence[Tensor],
        pred_anchor_deltas: Sequence[Tensor],
        gt_boxes: Sequence[Tensor],
    ) -> dict[str, Tensor]:
        """Return the losses, divided by the running mean of the number of positive anchors.

        Args:
            anchors: The anchors of each level, `R` in total.
            pred_logits: Class logits of each level, `(B, H * W * A, K)`.
            gt_labels: Labels of each image, `(R,)`; see `label_anchors`.
            pred_anchor_deltas: Deltas of each level, `(B, H * W * A, 4)`.
            gt_boxes: Matched boxes of each image, `(R, 4)`.

        Returns:
            The scalars `loss_cls` (focal loss of all anchors that are not ignored) and `loss_box_reg` (positive
            anchors).
        """
        labels = torch.stack(list(gt_labels))  # (B, R)
        not_ignored = labels >= 0
        positive = not_ignored & (labels != self.num_classes)
        normalizer = self._normalizer(positive)
        logits = torch.cat(list(pred_logits), dim=1)[not_ignored]
        # Dropping the last column of the one-hot encoding leaves a row of zeros for the background.
        targets = F.one_hot(labels[not_ignored], self.num_classes + 1)[:, :-1].to(logits.dtype)
        focal = ops.sigmoid_focal_loss(logits, targets, self.focal_loss_alpha, self.focal_loss_gamma, reduction="sum")
        localization = dense_box_regression_loss(
            anchors,
            self.box2box_transform,
            pred_anchor_deltas,
            gt_boxes,
            positive,
            self.box_reg_loss_type,
            self.smooth_l1_beta,
        )
        return {"loss_cls": focal / normalizer, "loss_box_reg": localization / normalizer}

    def forward_inference(
        self, images: ImageList, features: Sequence[Tensor], predictions: Sequence[Sequence[Tensor]]
    ) -> list[Instances]:
        """Return the detections of each image."""
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
        """Return the detections of one image.

        Args:
            anchors: The anchors of each level.
            box_cls: Probabilities of each level, `(H * W * A, K)`.
            box_delta: Deltas of each level, `(H * W * A, 4)`.
            image_size: `(height, width)`.

        Returns:
            `Instances` with `pred_boxes`, `scores` and `pred_classes`, in descending order of the scores.
        """
        return self._detect(anchors, box_cls, box_delta, image_size)
