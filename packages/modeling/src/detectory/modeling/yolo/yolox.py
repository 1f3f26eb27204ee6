"""YOLOX: an anchor-free one-stage detector with a decoupled head and dynamic assignment."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from detectory.modeling.backbone import Backbone
from detectory.modeling.box_regression import Box2BoxTransform
from detectory.modeling.meta_arch.dense_detector import targets_of_matches
from detectory.structures import Boxes, ImageList, Instances, matched_pairwise_iou

from .dynamic_assignment import SimOTAMatcher
from .square_input import SquareInputDetector
from .yolox_head import YOLOXHead, best_class_only

#: Maximum logarithm of the size of a box in strides, against overflow only.
_SCALE_CLAMP = math.log(1e5)


class YOLOX(SquareInputDetector):
    """Detector that predicts one box per cell, relative to the cell's corner and stride.

    The score is the product of the objectness and the highest class probability. Images are padded to squares.

    Args:
        backbone: Maps images to feature maps, like `CSPPAFPN`.
        head: Maps the feature maps to class logits, deltas and objectness logits.
        head_in_features: Names of the feature maps, from fine to coarse; `None` for all outputs of the backbone.
        anchor_matcher: Assigns cells to objects.
        num_classes: Number of classes, `K`.
        box_loss_weight: Factor of the IoU loss.
        l1_loss_weight: Factor of the L1 loss of the deltas, which YOLOX adds in the last epochs; 0 disables the loss.
        test_score_thresh: Score threshold of the candidates, exclusive.
        test_topk_candidates: Maximum number of candidates per level before NMS.
        test_nms_thresh: IoU threshold of the NMS within each class.
        max_detections_per_image: Maximum number of detections per image.
        pad_value: Value of the padding.
        pad_multiple: The side of the square is rounded up to a multiple of this.
        box_limit: What boxes are clipped to: `"image"`, `"input"` or `"none"`.
        pixel_mean: Mean of each channel, in the range of the input images (0 to 255). YOLOX does not normalize.
        pixel_std: Standard deviation of each channel, in the same range.
        input_format: Order of the channels, `"BGR"` or `"RGB"`. Used by the trainer.

    Source: Ge et al., "YOLOX: Exceeding YOLO Series in 2021", 2021.
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        head: YOLOXHead,
        head_in_features: Sequence[str] | None = None,
        anchor_matcher: SimOTAMatcher | None = None,
        num_classes: int,
        box_loss_weight: float = 5.0,
        l1_loss_weight: float = 0.0,
        test_score_thresh: float = 0.01,
        test_topk_candidates: int = 30_000,
        test_nms_thresh: float = 0.65,
        max_detections_per_image: int = 300,
        pad_value: float = 114.0,
        pad_multiple: int = 32,
        box_limit: str = "image",
        pixel_mean: Sequence[float] = (0.0, 0.0, 0.0),
        pixel_std: Sequence[float] = (1.0, 1.0, 1.0),
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
        self.box2box_transform = Box2BoxTransform((1.0, 1.0, 1.0, 1.0), _SCALE_CLAMP)
        self.anchor_matcher = anchor_matcher or SimOTAMatcher()
        self.box_loss_weight = box_loss_weight
        self.l1_loss_weight = l1_loss_weight

    def forward_training(
        self,
        images: ImageList,
        features: Sequence[Tensor],
        predictions: Sequence[Sequence[Tensor]],
        gt_instances: Sequence[Instances],
    ) -> dict[str, Tensor]:
        """Return the losses `loss_cls`, `loss_objectness`, `loss_box_reg` and, with a weight, `loss_l1`.

        The targets of the class probabilities are the IoUs of the predicted boxes.
        """
        del images
        logits, deltas, objectness = (
            torch.cat(levels, dim=1).float() for levels in self._flatten(predictions, (self.num_classes, 4, 1))
        )
        cells = Boxes.cat(list(self.anchor_generator(features)))
        boxes = torch.stack([self.box2box_transform.apply_deltas(image, cells.tensor) for image in deltas])
        strides = cells.tensor[:, 2] - cells.tensor[:, 0]
        centers = cells.get_centers() + strides[:, None] / 2
        scores = (logits.detach().sigmoid() * objectness.detach().sigmoid()).detach()
        matched = [
            self.anchor_matcher(centers, strides, scores[i], boxes[i].detach(), gt.gt_boxes, gt.gt_classes)
            for i, gt in enumerate(gt_instances)
        ]
        labels, gt_boxes = targets_of_matches([one[:2] for one in matched], gt_instances, self.num_classes)
        positive = labels != self.num_classes
        normalizer = max(self._positive_count(positive), 1)
        image, cell = positive.nonzero(as_tuple=True)
        quality = torch.stack([one[2] for one in matched])[image, cell]
        targets = F.one_hot(labels[image, cell], self.num_classes) * quality[:, None]
        iou = matched_pairwise_iou(Boxes(boxes[image, cell]), Boxes(gt_boxes[image, cell]))
        losses = {
            "loss_cls": F.binary_cross_entropy_with_logits(logits[image, cell], targets, reduction="sum"),
            "loss_objectness": F.binary_cross_entropy_with_logits(
                objectness.squeeze(2), positive.float(), reduction="sum"
            ),
            "loss_box_reg": self.box_loss_weight * (1 - iou.square()).sum(),
        }
        if self.l1_loss_weight:
            wanted = self.box2box_transform.get_deltas(cells.tensor[cell], gt_boxes[image, cell])
            losses["loss_l1"] = self.l1_loss_weight * F.l1_loss(deltas[image, cell], wanted, reduction="sum")
        return {name: loss / normalizer for name, loss in losses.items()}

    def forward_inference(
        self, images: ImageList, features: Sequence[Tensor], predictions: Sequence[Sequence[Tensor]]
    ) -> list[Instances]:
        """Return the detections of each image."""
        logits, deltas, objectness = self._flatten(predictions, (self.num_classes, 4, 1))
        anchors = self.anchor_generator(features)
        scores = [
            best_class_only(classes.float().sigmoid()) * objects.float().sigmoid()
            for classes, objects in zip(logits, objectness, strict=True)
        ]
        return [
            self._detect(anchors, [x[i] for x in scores], [x[i] for x in deltas], size)
            for i, size in enumerate(images.image_sizes)
        ]
