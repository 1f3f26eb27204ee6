"""SSD: a one-stage detector with default boxes on feature maps of decreasing resolution."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory.modeling.anchor_generator import DefaultAnchorGenerator
from detectory.modeling.backbone import Backbone
from detectory.modeling.box_regression import Box2BoxTransform
from detectory.modeling.layers import c2_xavier_fill, smooth_l1_loss
from detectory.modeling.matcher import Matcher
from detectory.modeling.traced_sizes import at_most
from detectory.structures import Boxes, ImageList, Instances, pairwise_iou

from .dense_detector import DenseDetector, targets_of_matches


class SSDAnchorGenerator(DefaultAnchorGenerator):
    """The default boxes of SSD: in every cell a square, a larger square, and boxes of other aspect ratios.

    The larger square has a side between the sizes of its level and of the next one, their geometric mean.

    Args:
        min_sizes: Side of the square for each level, in pixels.
        max_sizes: Side of the square of the next level, for each level.
        aspect_ratios: Ratios above 1 for each level; each adds a wide and a high box.
        strides: Stride of every level in pixels.
        max_side: Limit of the widths and heights, usually the size of the image; `None` for no limit.

    Raises:
        ValueError: If the sequences differ in length.

    Source: Liu et al., "SSD: Single Shot MultiBox Detector", 2016, section 2.2.
    """

    def __init__(
        self,
        *,
        min_sizes: Sequence[float],
        max_sizes: Sequence[float],
        aspect_ratios: Sequence[Sequence[float]],
        strides: Sequence[float],
        max_side: float | None = None,
    ) -> None:
        if not len(min_sizes) == len(max_sizes) == len(aspect_ratios) == len(strides):
            raise ValueError(
                "SSDAnchorGenerator: min_sizes, max_sizes, aspect_ratios and strides must have the same length, got"
                f" {len(min_sizes)}, {len(max_sizes)}, {len(aspect_ratios)} and {len(strides)}"
            )
        self._max_sizes = list(max_sizes)
        self._max_side = max_side
        super().__init__(
            sizes=[[size] for size in min_sizes],
            aspect_ratios=[[1.0, *(x for ratio in level for x in (1 / ratio, ratio))] for level in aspect_ratios],
            strides=strides,  # type: ignore[arg-type]  # grids may have fractional strides
            offset=0.5,
        )

    def _calculate_anchors(
        self, sizes: Sequence[Sequence[float]], aspect_ratios: Sequence[Sequence[float]]
    ) -> list[Tensor]:
        levels = []
        for (size,), largest, ratios in zip(sizes, self._max_sizes, aspect_ratios, strict=True):
            boxes = self.generate_cell_anchors([size], ratios)
            square = self.generate_cell_anchors([(size * largest) ** 0.5], [1.0])
            level = torch.cat((boxes[:1], square, boxes[1:]))
            levels.append(level if self._max_side is None else level.clamp(-self._max_side / 2, self._max_side / 2))
        return levels


class SSDHead(nn.Module):
    """One 3×3 convolution per level for the class logits, and one for the deltas.

    Args:
        in_channels: Channels of each level.
        num_anchors: Anchors per cell, for each level.
        num_classes: Number of classes without the background, `K`.
    """

    def __init__(self, *, in_channels: Sequence[int], num_anchors: Sequence[int], num_classes: int) -> None:
        super().__init__()
        self.cls_score = nn.ModuleList(
            nn.Conv2d(c, a * (num_classes + 1), 3, padding=1) for c, a in zip(in_channels, num_anchors, strict=True)
        )
        self.bbox_pred = nn.ModuleList(
            nn.Conv2d(c, a * 4, 3, padding=1) for c, a in zip(in_channels, num_anchors, strict=True)
        )
        for layer in (*self.cls_score, *self.bbox_pred):
            c2_xavier_fill(layer)

    def forward(self, features: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Map each level to logits `(B, A * (K + 1), H, W)`, the background last, and deltas `(B, A * 4, H, W)`."""
        logits = [layer(x) for layer, x in zip(self.cls_score, features, strict=True)]
        deltas = [layer(x) for layer, x in zip(self.bbox_pred, features, strict=True)]
        return logits, deltas


class SSD(DenseDetector):
    """One-stage detector with softmax scores, trained on the hardest negatives.

    The images of a batch must have the same size, for which the anchors are designed (300 × 300 or 512 × 512 pixels).

    Args:
        backbone: Maps images to feature maps.
        head: Maps the feature maps to class logits and deltas, like `SSDHead`.
        head_in_features: Names of the feature maps, from fine to coarse; `None` for all outputs of the backbone.
        anchor_generator: Maps the feature maps to anchors.
        box2box_transform: Parametrization of the deltas.
        anchor_matcher: Labels anchors by their IoU with the ground truth.
        num_classes: Number of classes without the background, `K`.
        negative_ratio: Maximum number of negative anchors in the loss per positive anchor.
        smooth_l1_beta: Threshold between the quadratic and the linear part of smooth L1.
        test_score_thresh: Score threshold of the candidates, exclusive.
        test_topk_candidates: Maximum number of candidates before NMS per level, or per class.
        topk_per_class: Whether `test_topk_candidates` applies to each class instead of each level.
        test_nms_thresh: IoU threshold of the NMS within each class.
        max_detections_per_image: Maximum number of detections per image.
        pixel_mean: Mean of each channel, in the range of the input images (0 to 255).
        pixel_std: Standard deviation of each channel, in the same range.
        input_format: Order of the channels, `"BGR"` or `"RGB"`. Used by the trainer.

    Source: Liu et al., "SSD: Single Shot MultiBox Detector", 2016.
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        head: nn.Module,
        head_in_features: Sequence[str] | None = None,
        anchor_generator: nn.Module,
        box2box_transform: Box2BoxTransform,
        anchor_matcher: Matcher,
        num_classes: int,
        negative_ratio: float = 3.0,
        smooth_l1_beta: float = 1.0,
        test_score_thresh: float = 0.02,
        test_topk_candidates: int = 1000,
        test_nms_thresh: float = 0.45,
        max_detections_per_image: int = 200,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
        input_format: str = "RGB",
        topk_per_class: bool = False,
    ) -> None:
        names = list(backbone.output_shape()) if head_in_features is None else head_in_features
        super().__init__(backbone, head, names, pixel_mean=pixel_mean, pixel_std=pixel_std)
        self.anchor_generator = anchor_generator
        self.box2box_transform = box2box_transform
        self.anchor_matcher = anchor_matcher
        self.num_classes = num_classes
        self.negative_ratio = negative_ratio
        self.smooth_l1_beta = smooth_l1_beta
        self.test_score_thresh = test_score_thresh
        self.test_topk_candidates = test_topk_candidates
        self.test_nms_thresh = test_nms_thresh
        self.max_detections_per_image = max_detections_per_image
        self.input_format = input_format
        self.topk_per_class = topk_per_class
        self.loss_normalizer = 1.0
        self.clip_before_nms = True

    def forward_training(
        self,
        images: ImageList,
        features: Sequence[Tensor],
        predictions: Sequence[Sequence[Tensor]],
        gt_instances: Sequence[Instances],
    ) -> dict[str, Tensor]:
        """Return the losses `loss_cls` and `loss_box_reg`, divided by the number of positive anchors of the batch."""
        del images
        levels_logits, levels_deltas = self._flatten(predictions, (self.num_classes + 1, 4))
        logits, deltas = torch.cat(levels_logits, dim=1), torch.cat(levels_deltas, dim=1)
        anchors = Boxes.cat(list(self.anchor_generator(features)))
        labels, boxes = self.label_anchors(anchors, gt_instances)
        positive = (labels >= 0) & (labels != self.num_classes)
        normalizer = max(self._positive_count(positive), 1)
        cross_entropy = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view_as(labels)
        sampled = positive | self._hard_negatives(cross_entropy.detach(), labels, positive)
        image, anchor = positive.nonzero(as_tuple=True)
        targets = self.box2box_transform.get_deltas(anchors.tensor[anchor], boxes[image, anchor])
        localization = smooth_l1_loss(deltas[image, anchor], targets, self.smooth_l1_beta, "sum")
        return {
            "loss_cls": cross_entropy[sampled].sum() / normalizer,
            "loss_box_reg": localization / normalizer,
        }

    @torch.no_grad()
    def label_anchors(self, anchors: Boxes, gt_instances: Sequence[Instances]) -> tuple[Tensor, Tensor]:
        """Match the anchors of each image with its objects.

        Args:
            anchors: The `R` anchors of all levels.
            gt_instances: `Instances` with `gt_boxes` and `gt_classes` for each of the `B` images.

        Returns:
            The labels `(B, R)`: a class, or `K` for background; and the matched boxes `(B, R, 4)`, meaningful only for
            anchors with a class.
        """
        matched = [self.anchor_matcher(pairwise_iou(targets.gt_boxes, anchors)) for targets in gt_instances]
        positive = [(matches, match_labels == 1) for matches, match_labels in matched]
        return targets_of_matches(positive, gt_instances, self.num_classes)

    def _hard_negatives(self, losses: Tensor, labels: Tensor, positive: Tensor) -> Tensor:
        """Return the mask `(B, R)` of the negatives with the highest losses, at most `negative_ratio` per positive."""
        negative = labels == self.num_classes
        ranks = losses.masked_fill(~negative, -1.0).argsort(dim=1, descending=True).argsort(dim=1)
        limit = (positive.sum(dim=1, keepdim=True) * self.negative_ratio).clamp(min=1)
        return negative & (ranks < limit)

    def forward_inference(
        self, images: ImageList, features: Sequence[Tensor], predictions: Sequence[Sequence[Tensor]]
    ) -> list[Instances]:
        """Return the detections of each image."""
        logits, deltas = self._flatten(predictions, (self.num_classes + 1, 4))
        anchors = self.anchor_generator(features)
        scores = [level.float().softmax(dim=-1)[..., :-1] for level in logits]
        if self.topk_per_class:
            # One level of all anchors, with the scores of all but the best candidates of every class set to zero.
            anchors, deltas = [Boxes.cat(list(anchors))], [torch.cat(deltas, dim=1)]
            scores = [self._best_of_each_class(torch.cat(scores, dim=1))]
        return [
            self._detect(anchors, [x[i] for x in scores], [x[i] for x in deltas], size)
            for i, size in enumerate(images.image_sizes)
        ]

    def _max_candidates(self) -> int:
        return self.test_topk_candidates * (self.num_classes if self.topk_per_class else 1)

    def _best_of_each_class(self, scores: Tensor) -> Tensor:
        """Return scores `(B, R, K)` with zeros for all but the `test_topk_candidates` best anchors of each class."""
        best, indices = scores.topk(at_most(scores.shape[1], self.test_topk_candidates), dim=1)
        return torch.zeros_like(scores).scatter(1, indices, best)
