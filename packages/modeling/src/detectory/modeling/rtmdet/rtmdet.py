"""RTMDet: a real-time one-stage detector."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from detectory.modeling.backbone import Backbone
from detectory.modeling.box_regression import Box2BoxTransformLinear
from detectory.modeling.layers import giou_loss, quality_focal_loss
from detectory.modeling.meta_arch.dense_detector import targets_of_matches
from detectory.modeling.yolo import SquareInputDetector
from detectory.structures import Boxes, ImageList, Instances

from .matcher import DynamicSoftLabelMatcher


class RTMDet(SquareInputDetector):
    """Detector that predicts the distances from each cell to the four sides of an object. Images are padded to squares.

    Args:
        backbone: Maps images to feature maps, like `CSPPAFPN` on `CSPNeXt`.
        head: Maps the feature maps to class logits and distances in pixels, like `RTMDetHead`.
        head_in_features: Names of the feature maps, from fine to coarse; `None` for all outputs of the backbone.
        anchor_matcher: Assigns cells to objects.
        num_classes: Number of classes, `K`.
        quality_beta: Exponent of the quality focal loss.
        box_loss_weight: Factor of the GIoU loss.
        test_score_thresh: Score threshold of the candidates, exclusive.
        test_topk_candidates: Maximum number of candidates per level before NMS.
        test_nms_thresh: IoU threshold of the NMS within each class.
        max_detections_per_image: Maximum number of detections per image.
        pad_value: Value of the padding, before the normalization.
        pad_multiple: The side of the square is rounded up to a multiple of this. Channel attention depends on the
            padding: the published models were measured on squares of 640 pixels.
        box_limit: What boxes are clipped to: `"image"`, `"input"` or `"none"`.
        pixel_mean: Mean of each channel, in the range of the input images (0 to 255).
        pixel_std: Standard deviation of each channel, in the same range.
        input_format: Order of the channels, `"BGR"` or `"RGB"`. Used by the trainer.

    Source: Lyu et al., "RTMDet: An Empirical Study of Designing Real-Time Object Detectors", 2022.
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        head: nn.Module,
        head_in_features: Sequence[str] | None = None,
        anchor_matcher: DynamicSoftLabelMatcher | None = None,
        num_classes: int,
        quality_beta: float = 2.0,
        box_loss_weight: float = 2.0,
        test_score_thresh: float = 0.001,
        test_topk_candidates: int = 30_000,
        test_nms_thresh: float = 0.65,
        max_detections_per_image: int = 300,
        pad_value: float = 114.0,
        pad_multiple: int = 320,
        box_limit: str = "image",
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
        input_format: str = "BGR",
    ) -> None:
        super().__init__(
            backbone,
            head,
            head_in_features,
            num_classes=num_classes,
            test_score_thresh=test_score_thresh,
            test_topk_candidates=test_topk_candidates,
            test_nms_thresh=test_nms_thresh,
            max_detections_per_image=max_detections_per_image,
            input_format=input_format,
            pixel_mean=pixel_mean,
            pixel_std=pixel_std,
            pad_value=pad_value,
            pad_multiple=pad_multiple,
            box_limit=box_limit,
        )
        self.box2box_transform = Box2BoxTransformLinear(normalize_by_size=False, clamp=False)
        self.anchor_matcher = anchor_matcher or DynamicSoftLabelMatcher()
        self.quality_beta = quality_beta
        self.box_loss_weight = box_loss_weight
        self.drop_empty_boxes = True  # distances may be negative

    def forward_training(
        self,
        images: ImageList,
        features: Sequence[Tensor],
        predictions: Sequence[Sequence[Tensor]],
        gt_instances: Sequence[Instances],
    ) -> dict[str, Tensor]:
        """Return the losses `loss_cls` (quality focal) and `loss_box_reg` (GIoU, weighted by the IoU)."""
        del images
        return self._box_losses(features, predictions[:2], gt_instances)[0]

    def _box_losses(
        self, features: Sequence[Tensor], predictions: Sequence[Sequence[Tensor]], gt_instances: Sequence[Instances]
    ) -> tuple[dict[str, Tensor], list[tuple[Tensor, Tensor, Tensor]]]:
        """Return the losses, and the result of the matcher for each image."""
        logits, distances = (
            torch.cat(levels, dim=1).float() for levels in self._flatten(predictions, (self.num_classes, 4))
        )
        cells = Boxes.cat(list(self.anchor_generator(features)))
        boxes = torch.stack([self.box2box_transform.apply_deltas(image, cells.tensor) for image in distances])
        strides = cells.tensor[:, 2] - cells.tensor[:, 0]
        points = cells.get_centers()
        matched = [
            self.anchor_matcher(
                points, strides, logits[i].detach(), boxes[i].detach(), gt.gt_boxes, gt.gt_classes, self._centers(gt)
            )
            for i, gt in enumerate(gt_instances)
        ]
        labels, gt_boxes = targets_of_matches([one[:2] for one in matched], gt_instances, self.num_classes)
        positive = labels != self.num_classes
        self._positive_count(positive)
        image, cell = positive.nonzero(as_tuple=True)
        quality = torch.stack([one[2] for one in matched])[image, cell]
        scores = torch.zeros_like(logits)
        scores[image, cell, labels[image, cell]] = quality
        normalizer = quality.sum().clamp(min=1.0)
        giou = giou_loss(boxes[image, cell], gt_boxes[image, cell], reduction="none")
        losses = {
            "loss_cls": quality_focal_loss(logits, scores, self.quality_beta) / normalizer,
            "loss_box_reg": self.box_loss_weight * (giou * quality).sum() / normalizer,
        }
        return losses, matched

    def _centers(self, gt_instances: Instances) -> Tensor:
        """Return the centers `(M, 2)` of the objects, close to which cells are preferred."""
        return gt_instances.gt_boxes.get_centers()

    def forward_inference(
        self, images: ImageList, features: Sequence[Tensor], predictions: Sequence[Sequence[Tensor]]
    ) -> list[Instances]:
        """Return the detections of each image."""
        logits, distances = self._flatten(predictions[:2], (self.num_classes, 4))
        anchors: Any = self.anchor_generator(features)
        return [
            self._detect(anchors, [x[i].float().sigmoid() for x in logits], [x[i] for x in distances], size)
            for i, size in enumerate(images.image_sizes)
        ]
