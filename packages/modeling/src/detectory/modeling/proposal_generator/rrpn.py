"""Region proposal network for rotated boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from detectory import ops
from detectory.structures import Instances, RotatedBoxes, pairwise_iou_rotated

from .proposals import suppress_proposals, take_rows, top_anchors
from .rpn import RPN


def find_top_rrpn_proposals(
    proposals: Sequence[Tensor],
    pred_objectness_logits: Sequence[Tensor],
    image_sizes: Sequence[tuple[int, int]],
    nms_thresh: float,
    pre_nms_topk: int,
    post_nms_topk: int,
    min_box_size: float,
    training: bool,
) -> list[Instances]:
    """Choose rotated proposals; arguments as those of `find_top_rpn_proposals` with boxes `(B, H * W * A, 5)`."""
    best = top_anchors(pred_objectness_logits, pre_nms_topk)
    boxes = [take_rows(level, index) for level, (_, index) in zip(proposals, best, strict=True)]
    scores = [score for score, _ in best]
    limits = (image_sizes, nms_thresh, post_nms_topk, min_box_size, training)
    return suppress_proposals(boxes, scores, *limits, box_class=RotatedBoxes, suppress=ops.batched_nms_rotated)


class RRPN(RPN):
    """`RPN` over rotated anchors: needs a `RotatedAnchorGenerator` and a `Box2BoxTransformRotated`.

    Arguments are those of `RPN`; every box is `(cx, cy, width, height, degrees counter-clockwise)`.

    Raises:
        ValueError: if anchors at the image's border are to be left out, which rotated anchors do not know.

    Source: Ma et al., "Arbitrary-Oriented Scene Text Detection via Rotation Proposals", 2018.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if self.anchor_boundary_thresh >= 0:
            raise ValueError(
                f"RRPN: anchor_boundary_thresh must be negative for rotated anchors, got {self.anchor_boundary_thresh}"
            )

    def _pairwise_iou(self, truth: Any, anchors: Any) -> Tensor:
        return pairwise_iou_rotated(truth, anchors)

    @torch.no_grad()
    def predict_proposals(
        self,
        anchors: Sequence[Any],
        pred_objectness_logits: Sequence[Tensor],
        pred_anchor_deltas: Sequence[Tensor],
        image_sizes: Sequence[tuple[int, int]],
    ) -> list[Instances]:
        """Decode the best anchors of every level and suppress rotated overlaps."""
        boxes, scores = self._decode_top_anchors(anchors, pred_objectness_logits, pred_anchor_deltas)
        limits = (self.nms_thresh, self.post_nms_topk[self.training], self.min_box_size, self.training)
        return suppress_proposals(
            boxes, scores, image_sizes, *limits, box_class=RotatedBoxes, suppress=ops.batched_nms_rotated
        )
