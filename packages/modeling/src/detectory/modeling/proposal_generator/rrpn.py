"""Region proposal network for rotated boxes."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from detectory.ops import batched_nms_rotated
from detectory.structures import Instances, RotatedBoxes, pairwise_iou_rotated

from .proposals import find_top_rpn_proposals
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
    """Select rotated proposals; the arguments are those of `find_top_rpn_proposals`, with boxes of five coordinates."""
    return find_top_rpn_proposals(
        proposals,
        pred_objectness_logits,
        image_sizes,
        nms_thresh,
        pre_nms_topk,
        post_nms_topk,
        min_box_size,
        training,
        box_class=RotatedBoxes,
        nms=batched_nms_rotated,
    )


class RRPN(RPN):
    """Region proposal network for rotated boxes `(cx, cy, width, height, counter-clockwise angle in degrees)`.

    Args:
        kwargs: Arguments of `RPN`, with a `RotatedAnchorGenerator` and a `Box2BoxTransformRotated`.

    Raises:
        ValueError: If `anchor_boundary_thresh` is not negative: rotated anchors are not filtered at the image border.

    Source: Ma et al., "Arbitrary-Oriented Scene Text Detection via Rotation Proposals", 2018, section III.
    """

    _box_class = RotatedBoxes
    _batched_nms = staticmethod(batched_nms_rotated)
    _pairwise_iou = staticmethod(pairwise_iou_rotated)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if self.anchor_boundary_thresh >= 0:
            raise ValueError(
                f"RRPN: anchor_boundary_thresh must be negative for rotated anchors, got {self.anchor_boundary_thresh}"
            )
