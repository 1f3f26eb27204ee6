"""Losses of a predicted set of objects."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn import functional as F

from detectory import ops
from detectory.core.distributed import get_world_size
from detectory.modeling.layers import giou_loss
from detectory.structures import Instances

from .matcher import FocalHungarianMatcher, HungarianMatcher, corners_of, normalized_boxes


class SetCriterion(nn.Module):
    """Class and box losses of matched predictions, for the outputs of all decoder layers.

    Args:
        num_classes: Number of classes, `K`; class `K` is "no object".
        matcher: Assigns predictions to objects.
        no_object_weight: Weight of predictions without an object in the cross-entropy.
        class_weight: Factor of the cross-entropy.
        box_weight: Factor of the L1 loss of normalized boxes.
        giou_weight: Factor of the generalized IoU loss.

    Source: Carion et al., "End-to-End Object Detection with Transformers", 2020, section 3.1.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        matcher: HungarianMatcher | None = None,
        no_object_weight: float = 0.1,
        class_weight: float = 1.0,
        box_weight: float = 5.0,
        giou_weight: float = 2.0,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.matcher = matcher or HungarianMatcher()
        self.weights = {"loss_ce": class_weight, "loss_bbox": box_weight, "loss_giou": giou_weight}
        weights = torch.ones(num_classes + 1)
        weights[num_classes] = no_object_weight
        self.class_weights: Tensor
        self.register_buffer("class_weights", weights, persistent=False)

    def forward(self, logits: Tensor, boxes: Tensor, targets: Sequence[Instances]) -> dict[str, Tensor]:
        """Return the losses of all decoder layers.

        Args:
            logits: `(L, B, Q, K + 1)`, "no object" last.
            boxes: `(L, B, Q, 4)` normalized boxes `(cx, cy, width, height)`.
            targets: `Instances` with `gt_boxes` and `gt_classes` for each image.

        Returns:
            `loss_ce`, `loss_bbox` and `loss_giou` of the last layer, and those of the others with a suffix `_0`, `_1`,
            ….
        """
        count = boxes.new_tensor(float(sum(len(instances) for instances in targets)))
        if get_world_size() > 1:
            dist.all_reduce(count)
        normalizer = float(count) / get_world_size()
        losses = {}
        for layer, (layer_logits, layer_boxes) in enumerate(zip(logits, boxes, strict=True)):
            suffix = "" if layer == len(logits) - 1 else f"_{layer}"
            for name, value in self._losses(layer_logits, layer_boxes, targets, max(normalizer, 1.0)).items():
                losses[f"{name}{suffix}"] = value * self.weights[name]
        return losses

    def _losses(
        self, logits: Tensor, boxes: Tensor, targets: Sequence[Instances], normalizer: float
    ) -> dict[str, Tensor]:
        """Return the losses of one decoder layer."""
        matches = self.matcher(self._probabilities(logits), boxes, targets)
        image = torch.cat([torch.full_like(rows, i) for i, (rows, _) in enumerate(matches)])
        query = torch.cat([rows for rows, _ in matches])
        classes = torch.full(logits.shape[:2], self.num_classes, dtype=torch.int64, device=logits.device)
        classes[image, query] = torch.cat(
            [instances.gt_classes[columns] for instances, (_, columns) in zip(targets, matches, strict=True)]
        )
        wanted = torch.cat(
            [normalized_boxes(instances)[columns] for instances, (_, columns) in zip(targets, matches, strict=True)]
        )
        predicted = boxes[image, query].float()
        return {
            "loss_ce": self._class_loss(logits.float(), classes, normalizer),
            "loss_bbox": F.l1_loss(predicted, wanted, reduction="sum") / normalizer,
            "loss_giou": giou_loss(corners_of(predicted), corners_of(wanted), reduction="sum") / normalizer,
        }

    def _probabilities(self, logits: Tensor) -> Tensor:
        """Return the class probabilities for the matcher."""
        return logits.softmax(dim=-1)

    def _class_loss(self, logits: Tensor, classes: Tensor, normalizer: float) -> Tensor:
        """Return the loss of logits `(B, Q, …)` with classes `(B, Q)`, `K` for "no object"."""
        del normalizer
        return F.cross_entropy(logits.transpose(1, 2), classes, self.class_weights)


class FocalSetCriterion(SetCriterion):
    """`SetCriterion` with the focal loss of sigmoid probabilities, for models without a "no object" class.

    Args:
        num_classes: Number of classes, `K`.
        matcher: Assigns predictions to objects; by default `FocalHungarianMatcher()`.
        class_weight: Factor of the focal loss.
        box_weight: Factor of the L1 loss of normalized boxes.
        giou_weight: Factor of the generalized IoU loss.
        alpha: Weight of positives in the focal loss.
        gamma: Exponent of the focal loss.

    Source: Zhu et al., "Deformable DETR", 2021, appendix A.4.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        matcher: HungarianMatcher | None = None,
        class_weight: float = 2.0,
        box_weight: float = 5.0,
        giou_weight: float = 2.0,
        alpha: float = 0.25,
        gamma: float = 2.0,
    ) -> None:
        super().__init__(
            num_classes=num_classes,
            matcher=matcher or FocalHungarianMatcher(),
            class_weight=class_weight,
            box_weight=box_weight,
            giou_weight=giou_weight,
        )
        self.alpha = alpha
        self.gamma = gamma

    def _probabilities(self, logits: Tensor) -> Tensor:
        return logits.sigmoid()

    def _class_loss(self, logits: Tensor, classes: Tensor, normalizer: float) -> Tensor:
        targets = F.one_hot(classes, self.num_classes + 1)[..., : logits.shape[-1]].to(logits.dtype)
        return ops.sigmoid_focal_loss(logits, targets, self.alpha, self.gamma, reduction="sum") / normalizer
