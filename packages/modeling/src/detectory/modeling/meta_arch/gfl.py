"""GFL: one-stage detector that predicts the quality of its boxes and a distribution of every side."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from detectory.modeling.backbone import Backbone
from detectory.modeling.box_regression import Box2BoxTransformLinear
from detectory.modeling.layers import Conv2d, ShapeSpec, giou_loss, init_predictor, quality_focal_loss
from detectory.structures import Boxes, ImageList, Instances, matched_pairwise_iou

from .atss import ATSSMatcher
from .dense_detector import DenseDetector, targets_of_matches
from .dense_head import RetinaNetHead


class GFLHead(RetinaNetHead):
    """Two towers for the class logits and for the distributions of the four distances, shared by all levels.

    Args:
        input_shape: Shape of each level.
        conv_dims: Output channels of the convolutions of a tower.
        reg_max: Largest distance in strides; a distribution has `reg_max + 1` values.
        kwargs: Further arguments of `RetinaNetHead`, except `num_anchors`.

    Source: Li et al., "Generalized Focal Loss", 2020.
    """

    def __init__(
        self, *, input_shape: Sequence[ShapeSpec], conv_dims: Sequence[int], reg_max: int = 16, **kwargs: Any
    ) -> None:
        super().__init__(input_shape=input_shape, conv_dims=conv_dims, num_anchors=1, **kwargs)
        self.reg_max = reg_max
        self.bbox_pred = Conv2d(conv_dims[-1], 4 * (reg_max + 1), 3, padding=1)
        init_predictor(self.bbox_pred, std=0.01)
        self.scales = nn.ParameterList(nn.Parameter(torch.ones(())) for _ in input_shape)

    def forward(self, features: Sequence[Tensor]) -> tuple[list[Tensor], ...]:
        """Map each level to logits `(B, K, H, W)` and distribution logits `(B, 4 * (reg_max + 1), H, W)`."""
        logits = [self.cls_score(self.cls_subnet(x)) for x in features]
        distributions = [
            self.bbox_pred(self.bbox_subnet(x)) * scale for x, scale in zip(features, self.scales, strict=True)
        ]
        return logits, distributions


class GFL(DenseDetector):
    """Dense detector with a joint score of class and box quality, and a general distribution of the distances.

    Args:
        backbone: Maps images to feature maps.
        head: Maps the feature maps to class logits and distribution logits, like `GFLHead`.
        head_in_features: Names of the feature maps, from fine to coarse; `None` for all outputs of the backbone.
        anchor_generator: Maps the feature maps to anchors, one per location; their centers are the locations.
        anchor_matcher: Assigns anchors to objects.
        num_classes: Number of classes, `K`.
        quality_beta: Exponent of the quality focal loss.
        box_loss_weight: Factor of the GIoU loss.
        distribution_loss_weight: Factor of the distribution focal loss.
        test_score_thresh: Score threshold of the candidates, exclusive.
        test_topk_candidates: Maximum number of candidates per level before NMS.
        test_nms_thresh: IoU threshold of the NMS within each class.
        max_detections_per_image: Maximum number of detections per image.
        pixel_mean: Mean of each channel, in the range of the input images (0 to 255).
        pixel_std: Standard deviation of each channel, in the same range.
        input_format: Order of the channels, `"BGR"` or `"RGB"`. Used by the trainer.

    Source: Li et al., "Generalized Focal Loss: Learning Qualified and Distributed Bounding Boxes for Dense Object
        Detection", 2020.
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        head: GFLHead,
        head_in_features: Sequence[str] | None = None,
        anchor_generator: nn.Module,
        anchor_matcher: ATSSMatcher | None = None,
        num_classes: int,
        quality_beta: float = 2.0,
        box_loss_weight: float = 2.0,
        distribution_loss_weight: float = 0.25,
        test_score_thresh: float = 0.05,
        test_topk_candidates: int = 1000,
        test_nms_thresh: float = 0.6,
        max_detections_per_image: int = 100,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
        input_format: str = "RGB",
    ) -> None:
        super().__init__(backbone, head, head_in_features, pixel_mean=pixel_mean, pixel_std=pixel_std)
        shapes = backbone.output_shape()
        self.strides = [float(shapes[name].stride or 1) for name in self.head_in_features]
        self.reg_max = head.reg_max
        self.anchor_generator = anchor_generator
        self.anchor_matcher = anchor_matcher or ATSSMatcher()
        self.box2box_transform = Box2BoxTransformLinear(normalize_by_size=False)
        self.num_classes = num_classes
        self.quality_beta = quality_beta
        self.box_loss_weight = box_loss_weight
        self.distribution_loss_weight = distribution_loss_weight
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
        """Return the losses `loss_cls` (quality focal), `loss_box_reg` (GIoU) and `loss_dfl` (distribution focal)."""
        del images
        levels_logits, levels_distributions = self._flatten(predictions, (self.num_classes, 4 * (self.reg_max + 1)))
        logits, distributions = torch.cat(levels_logits, dim=1), torch.cat(levels_distributions, dim=1)
        anchors = self.anchor_generator(features)
        strides = torch.cat(
            [level.tensor.new_full((len(level),), s) for level, s in zip(anchors, self.strides, strict=True)]
        )
        matched = [self.anchor_matcher(targets.gt_boxes, anchors) for targets in gt_instances]
        labels, matched_boxes = targets_of_matches(matched, gt_instances, self.num_classes)
        positive = labels != self.num_classes
        normalizer = max(self._positive_count(positive), 1)
        image, anchor = positive.nonzero(as_tuple=True)
        boxes = matched_boxes[image, anchor]
        source = Boxes.cat(list(anchors)).tensor[anchor]
        stride = strides[anchor][:, None]
        values = distributions[image, anchor].float().reshape(-1, 4, self.reg_max + 1)
        predicted = self.box2box_transform.apply_deltas(self._distances(values) * stride, source)
        quality = matched_pairwise_iou(Boxes(predicted.detach()), Boxes(boxes))
        weight = logits[image, anchor].detach().sigmoid().amax(dim=1).float()
        total_weight = weight.sum().clamp(min=1e-6)
        giou = giou_loss(predicted, boxes, reduction="none") * weight
        distances = self.box2box_transform.get_deltas(source, boxes) / stride
        distribution = _distribution_focal_loss(values, distances.clamp(min=0, max=self.reg_max - 0.1)).mean(dim=1)
        scores = torch.zeros_like(logits)
        scores[image, anchor, labels[image, anchor]] = quality.to(scores.dtype)
        return {
            "loss_cls": quality_focal_loss(logits, scores, self.quality_beta) / normalizer,
            "loss_box_reg": self.box_loss_weight * giou.sum() / total_weight,
            "loss_dfl": self.distribution_loss_weight * (distribution * weight).sum() / total_weight,
        }

    def _distances(self, distributions: Tensor) -> Tensor:
        """Return the expected distances, in strides, of distribution logits `(…, 4, reg_max + 1)`: `(…, 4)`."""
        steps = torch.arange(self.reg_max + 1, dtype=torch.float32, device=distributions.device)
        return (distributions.float().softmax(dim=-1) * steps).sum(dim=-1)

    def forward_inference(
        self, images: ImageList, features: Sequence[Tensor], predictions: Sequence[Sequence[Tensor]]
    ) -> list[Instances]:
        """Return the detections of each image."""
        logits, distributions = self._flatten(predictions, (self.num_classes, 4 * (self.reg_max + 1)))
        anchors = self.anchor_generator(features)
        deltas = [
            self._distances(level.unflatten(-1, (4, self.reg_max + 1))) * stride
            for level, stride in zip(distributions, self.strides, strict=True)
        ]
        return [
            self._detect(anchors, [x[i].sigmoid() for x in logits], [x[i] for x in deltas], size)
            for i, size in enumerate(images.image_sizes)
        ]


def _distribution_focal_loss(distributions: Tensor, distances: Tensor) -> Tensor:
    """Return the distribution focal loss `(N, 4)` of logits `(N, 4, n)` for distances `(N, 4)` in [0, n - 1).

    Source: Li et al., "Generalized Focal Loss", 2020, equation 6.
    """
    lower = distances.long()
    fraction = distances - lower
    log_probabilities = distributions.log_softmax(dim=-1)
    below = log_probabilities.gather(-1, lower[..., None]).squeeze(-1)
    above = log_probabilities.gather(-1, lower[..., None] + 1).squeeze(-1)
    return -((1 - fraction) * below + fraction * above)
