"""RTMDet-Ins: RTMDet with instance masks."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from detectory.modeling.meta_arch.dense_detector import best_candidates
from detectory.structures import BitMasks, Boxes, ImageList, Instances

from .masks import dice_loss, resized_masks
from .rtmdet import RTMDet

#: Stride of the masks in the loss.
_LOSS_STRIDE = 4


class RTMDetIns(RTMDet):
    """RTMDet with a mask per detection, computed by a small network whose weights the head predicts.

    Takes the arguments of `RTMDet`, with a head like `RTMDetInsHead`, and:

    Args:
        mask_loss_weight: Factor of the dice loss.
        mask_threshold: Minimum probability of a mask pixel, exclusive.
        kwargs: Arguments of `RTMDet`.

    Source: Lyu et al., "RTMDet: An Empirical Study of Designing Real-Time Object Detectors", 2022, section 3.4.
    """

    _candidate_fields = ("cells",)

    def __init__(self, *, mask_loss_weight: float = 2.0, mask_threshold: float = 0.5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_loss_weight = mask_loss_weight
        self.mask_threshold = mask_threshold

    def forward_training(
        self,
        images: ImageList,
        features: Sequence[Tensor],
        predictions: Sequence[Sequence[Tensor]],
        gt_instances: Sequence[Instances],
    ) -> dict[str, Tensor]:
        """Return the losses of `RTMDet` and `loss_mask` (dice)."""
        losses, matched = self._box_losses(features, predictions[:2], gt_instances)
        kernels, (mask_features,) = predictions[2], predictions[3]
        cells = Boxes.cat(list(self.anchor_generator(features))).tensor
        size = (images.tensor.shape[-2], images.tensor.shape[-1])
        total, count = mask_features.sum() * 0, 0
        for i, ((matches, positive, _), targets) in enumerate(zip(matched, gt_instances, strict=True)):
            rows = positive.nonzero().squeeze(1)
            if not len(rows):
                continue
            head: Any = self.head
            logits = head.mask_logits([level[i] for level in kernels], mask_features[i], cells[rows], rows)
            scale = self.anchor_generator.strides[0] // _LOSS_STRIDE
            logits = F.interpolate(logits[None], scale_factor=scale, mode="bilinear", align_corners=False)[0]
            masks = _sampled_masks(targets, size).to(logits.device)[matches[rows]]
            total = total + dice_loss(logits, masks).sum()
            count += len(rows)
        losses["loss_mask"] = self.mask_loss_weight * total / max(count, 1)
        return losses

    def forward_inference(
        self, images: ImageList, features: Sequence[Tensor], predictions: Sequence[Sequence[Tensor]]
    ) -> list[Instances]:
        """Return the detections of each image, with `mask_logits` `(N, H, W)` of the finest level."""
        results = super().forward_inference(images, features, predictions)
        kernels, (mask_features,) = predictions[2], predictions[3]
        head: Any = self.head
        for i, detections in enumerate(results):
            cells = detections.get("cells")
            detections.remove("cells")
            detections.set("mask_logits", head.mask_logits([x[i] for x in kernels], mask_features[i].float(), cells))
        return results

    def _decode(
        self,
        anchors: Boxes,
        scores: Tensor,
        deltas: Tensor,
        factors: Tensor | None,
        score_thresh: float,
        topk_candidates: int,
    ) -> tuple[Tensor, ...]:
        del factors
        anchor, label, top_scores = best_candidates(scores, score_thresh, topk_candidates)
        cells = anchors.tensor[anchor]
        return self.box2box_transform.apply_deltas(deltas[anchor], cells), top_scores, label, cells

    def _postprocess(self, detections: Instances, height: int, width: int) -> Instances:
        stride = self.anchor_generator.strides[0]
        fields = detections.get_fields()
        rest = {name: value for name, value in fields.items() if name != "mask_logits"}
        plain = Instances(detections.image_size, **rest, order=torch.arange(len(detections)))
        result = super()._postprocess(plain, height, width)
        logits = fields["mask_logits"][result.get("order")]
        result.remove("order")
        masks = resized_masks(logits, stride, detections.image_size, (height, width), self.mask_threshold)
        result.set("pred_masks", masks)
        return result

    def _centers(self, gt_instances: Instances) -> Tensor:
        """Return the centers of mass of the masks."""
        if not len(gt_instances):
            return super()._centers(gt_instances)
        masks = _bit_masks(gt_instances, gt_instances.image_size).float()
        height, width = masks.shape[-2:]
        area = masks.sum(dim=(1, 2)).clamp(min=1e-7)
        x = (masks.sum(dim=1) * torch.arange(width, device=masks.device)).sum(dim=1) / area
        y = (masks.sum(dim=2) * torch.arange(height, device=masks.device)).sum(dim=1) / area
        return torch.stack((x, y), dim=1).to(gt_instances.gt_boxes.device)


def _bit_masks(targets: Instances, size: tuple[int, int]) -> Tensor:
    """Return the ground-truth masks `(M, *size)` bool, padded at the right and the bottom."""
    masks = targets.gt_masks
    bits = masks if isinstance(masks, BitMasks) else BitMasks.from_polygon_masks(list(masks), *targets.image_size)
    tensor = bits.tensor
    return F.pad(tensor, (0, size[1] - tensor.shape[2], 0, size[0] - tensor.shape[1]))


def _sampled_masks(targets: Instances, size: tuple[int, int]) -> Tensor:
    """Return every fourth pixel of the ground-truth masks."""
    first = _LOSS_STRIDE // 2
    return _bit_masks(targets, size)[:, first::_LOSS_STRIDE, first::_LOSS_STRIDE]
