"""YOLOv3: a one-stage detector with clustered anchors and objectness."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory.modeling.anchor_generator import DefaultAnchorGenerator
from detectory.modeling.backbone import Backbone
from detectory.modeling.box_regression import Box2BoxTransform
from detectory.modeling.meta_arch.dense_detector import DenseDetector
from detectory.modeling.postprocessing import detector_postprocess
from detectory.structures import Boxes, ImageList, Instances, pairwise_iou

from .darknet import leaky_conv

#: Widths and heights of the anchors for COCO in pixels, from the finest level.
COCO_ANCHORS = (
    ((10, 13), (16, 30), (33, 23)),
    ((30, 61), (62, 45), (59, 119)),
    ((116, 90), (156, 198), (373, 326)),
)

_SCALE_CLAMP = math.log(1e5)


class ShapedAnchorGenerator(DefaultAnchorGenerator):
    """Anchors of given widths and heights, centered in their cells.

    Args:
        shapes: `(width, height)` of the anchors in pixels, for each level.
        strides: Stride of every level in pixels.

    Source: Redmon and Farhadi, "YOLO9000: Better, Faster, Stronger", 2017, section 2.
    """

    def __init__(self, *, shapes: Sequence[Sequence[Sequence[float]]], strides: Sequence[int]) -> None:
        self._shapes = [torch.tensor([list(shape) for shape in level], dtype=torch.float32) for level in shapes]
        super().__init__(sizes=[[1.0]] * len(strides), aspect_ratios=[1.0], strides=strides, offset=0.5)

    def _calculate_anchors(self, sizes: Sequence[Any], aspect_ratios: Sequence[Any]) -> list[Tensor]:
        del sizes, aspect_ratios
        return [torch.cat((-shapes / 2, shapes / 2), dim=1) for shapes in self._shapes]


class YOLOv3Head(nn.Module):
    """A 3×3 and a 1×1 convolution per level.

    Args:
        in_channels: Channels of each level.
        channels: Channels between the convolutions, for each level.
        num_anchors: Anchors per cell.
        num_classes: Number of classes, `K`.
    """

    def __init__(
        self, *, in_channels: Sequence[int], channels: Sequence[int], num_anchors: int = 3, num_classes: int
    ) -> None:
        super().__init__()
        self.bridges = nn.ModuleList(leaky_conv(a, b, 3) for a, b in zip(in_channels, channels, strict=True))
        self.levels = nn.ModuleList(
            nn.ModuleDict({"predictor": nn.Conv2d(width, num_anchors * (5 + num_classes), 1)}) for width in channels
        )

    def forward(self, features: Sequence[Tensor]) -> tuple[list[Tensor]]:
        """Map each level to `(B, A * (5 + K), H, W)`: four deltas, objectness and class logits per anchor."""
        outputs = [
            level["predictor"](bridge(x))  # type: ignore[index]
            for level, bridge, x in zip(self.levels, self.bridges, features, strict=True)
        ]
        return (outputs,)


class YOLOv3(DenseDetector):
    """Detector that predicts three boxes per cell, with the product of class probability and objectness as score.

    Args:
        backbone: Maps images to feature maps, like `YOLOv3Neck`.
        head: Maps the feature maps to predictions, like `YOLOv3Head`.
        head_in_features: Names of the feature maps, from fine to coarse; `None` for all outputs of the backbone.
        anchors: Widths and heights of the anchors, for each level.
        num_classes: Number of classes, `K`.
        negative_iou: Anchors below this IoU with all objects are negatives; anchors above, in the cell of an object,
            are additional positives.
        coordinate_loss_weight: Factor of the losses of centers and sizes.
        test_score_thresh: Threshold of the class probability, exclusive, before the multiplication with the objectness.
        test_objectness_thresh: Threshold of the objectness.
        test_topk_candidates: Maximum number of candidates before NMS, over all levels.
        test_nms_thresh: IoU threshold of the NMS within each class.
        max_detections_per_image: Maximum number of detections per image.
        clip_boxes: Whether boxes are clipped to the image.
        pixel_mean: Mean of each channel, in the range of the input images (0 to 255).
        pixel_std: Standard deviation of each channel, in the same range.
        input_format: Order of the channels, `"BGR"` or `"RGB"`. Used by the trainer.

    Source: Redmon and Farhadi, "YOLOv3: An Incremental Improvement", 2018, section 2.
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        head: nn.Module,
        head_in_features: Sequence[str] | None = None,
        anchors: Sequence[Sequence[Sequence[float]]] = COCO_ANCHORS,
        num_classes: int,
        negative_iou: float = 0.5,
        coordinate_loss_weight: float = 2.0,
        test_score_thresh: float = 0.05,
        test_objectness_thresh: float = 0.005,
        test_topk_candidates: int = 100_000,
        test_nms_thresh: float = 0.45,
        max_detections_per_image: int = 100,
        clip_boxes: bool = True,
        pixel_mean: Sequence[float] = (0.0, 0.0, 0.0),
        pixel_std: Sequence[float] = (255.0, 255.0, 255.0),
        input_format: str = "RGB",
    ) -> None:
        super().__init__(backbone, head, head_in_features, pixel_mean=pixel_mean, pixel_std=pixel_std)
        shapes = backbone.output_shape()
        strides = [int(shapes[name].stride or 1) for name in self.head_in_features]
        self.anchor_generator = ShapedAnchorGenerator(shapes=anchors, strides=strides)
        self.box2box_transform = Box2BoxTransform((1.0, 1.0, 1.0, 1.0), _SCALE_CLAMP)
        self.num_classes = num_classes
        self.negative_iou = negative_iou
        self.coordinate_loss_weight = coordinate_loss_weight
        self.test_score_thresh = test_score_thresh
        self.test_objectness_thresh = test_objectness_thresh
        self.test_topk_candidates = test_topk_candidates
        self.test_nms_thresh = test_nms_thresh
        self.max_detections_per_image = max_detections_per_image
        self.clip_boxes = clip_boxes
        self.clip_before_nms = clip_boxes
        self.input_format = input_format
        self.loss_normalizer = 1.0

    def forward_training(
        self,
        images: ImageList,
        features: Sequence[Tensor],
        predictions: Sequence[Sequence[Tensor]],
        gt_instances: Sequence[Instances],
    ) -> dict[str, Tensor]:
        """Return the losses `loss_cls`, `loss_objectness`, `loss_xy` and `loss_wh`, per image."""
        del images
        levels = self.anchor_generator(features)
        values = torch.cat(self._flatten(predictions, (5 + self.num_classes,))[0], dim=1).float()
        anchors = Boxes.cat(list(levels))
        strides = torch.cat(
            [a.tensor.new_full((len(a),), s) for a, s in zip(levels, self.anchor_generator.strides, strict=True)]
        )
        totals: dict[str, Tensor] = {}
        for prediction, targets in zip(values, gt_instances, strict=True):
            for name, loss in self._image_losses(prediction, anchors, strides, targets).items():
                totals[name] = totals.get(name, 0.0) + loss
        return {name: loss / len(values) for name, loss in totals.items()}

    def _image_losses(
        self, prediction: Tensor, anchors: Boxes, strides: Tensor, targets: Instances
    ) -> dict[str, Tensor]:
        matches, positive, negative = self.label_anchors(anchors, strides, targets.gt_boxes)
        rows = positive.nonzero().squeeze(1)
        boxes = targets.gt_boxes.tensor[matches[rows]]
        source = anchors.tensor[rows]
        centers = (boxes[:, :2] + boxes[:, 2:] - source[:, :2] - source[:, 2:]) / 2
        xy = (centers / strides[rows, None] + 0.5).clamp(1e-6, 1 - 1e-6)
        wh = ((boxes[:, 2:] - boxes[:, :2]) / (source[:, 2:] - source[:, :2])).clamp(min=1e-6).log()
        used = positive | negative
        classes = F.one_hot(targets.gt_classes[matches[rows]], self.num_classes).float()
        own = prediction[rows]
        weight = self.coordinate_loss_weight
        return {
            "loss_cls": F.binary_cross_entropy_with_logits(own[:, 5:], classes, reduction="sum"),
            "loss_objectness": F.binary_cross_entropy_with_logits(
                prediction[used, 4], positive[used].float(), reduction="sum"
            ),
            "loss_xy": weight * F.binary_cross_entropy_with_logits(own[:, :2], xy, reduction="sum"),
            "loss_wh": weight * F.mse_loss(own[:, 2:4], wh, reduction="sum"),
        }

    @torch.no_grad()
    def label_anchors(self, anchors: Boxes, strides: Tensor, gt_boxes: Boxes) -> tuple[Tensor, Tensor, Tensor]:
        """Match the anchors of an image with its objects; positive anchors are in the cell of an object's center.

        Args:
            anchors: The `R` anchors of all levels.
            strides: `(R,)` strides of their levels.
            gt_boxes: The objects.

        Returns:
            The index of the matched object, `(R,)` int64, meaningful only for positive anchors; and whether an anchor
            is positive and negative, both `(R,)` bool.
        """
        count = len(anchors)
        if not len(gt_boxes):
            index = torch.zeros(count, dtype=torch.int64, device=strides.device)
            return index, index.bool(), ~index.bool()
        iou = pairwise_iou(gt_boxes, anchors)  # (M, R)
        negative = iou.amax(dim=0) <= self.negative_iou
        cells = (anchors.get_centers() / strides[:, None]).floor()  # (R, 2)
        own = ((gt_boxes.get_centers()[:, None] / strides[:, None]).floor() == cells).all(dim=2)  # (M, R)
        inside = iou.masked_fill(~own, -1.0)
        is_best = own & (inside == inside.amax(dim=1, keepdim=True))
        candidates = own & (is_best | (iou > self.negative_iou))
        matches = inside.masked_fill(~candidates, -1.0).argmax(dim=0)
        positive = candidates.any(dim=0)
        return matches, positive, negative & ~positive

    def forward_inference(
        self, images: ImageList, features: Sequence[Tensor], predictions: Sequence[Sequence[Tensor]]
    ) -> list[Instances]:
        """Return the detections of each image."""
        levels = [x.float() for x in self._flatten(predictions, (5 + self.num_classes,))[0]]
        anchors = self.anchor_generator(features)
        objectness = torch.cat([x[..., 4].sigmoid() for x in levels], dim=1)
        scores = torch.cat([x[..., 5:].sigmoid() for x in levels], dim=1)
        scores = scores * (objectness >= self.test_objectness_thresh).to(scores.dtype).unsqueeze(2)
        deltas = torch.cat(
            [self._deltas(x, a, s) for x, a, s in zip(levels, anchors, self.anchor_generator.strides, strict=True)],
            dim=1,
        )
        merged = [Boxes.cat(list(anchors))]
        return [
            self._detect(merged, [scores[i]], [deltas[i]], size, [objectness[i]])
            for i, size in enumerate(images.image_sizes)
        ]

    @staticmethod
    def _deltas(values: Tensor, anchors: Boxes, stride: int) -> Tensor:
        """Return the deltas `(B, R, 4)` relative to the anchors; centers stay within one stride of their cell."""
        sizes = anchors.tensor[:, 2:] - anchors.tensor[:, :2]
        return torch.cat(((values[..., :2].sigmoid() - 0.5) * stride / sizes, values[..., 2:4]), dim=-1)

    def _postprocess(self, detections: Instances, height: int, width: int) -> Instances:
        return detector_postprocess(detections, height, width, clip=self.clip_boxes)
