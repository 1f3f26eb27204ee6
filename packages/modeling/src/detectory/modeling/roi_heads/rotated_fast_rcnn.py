"""Fast R-CNN for rotated boxes."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from detectory.ops import batched_nms_rotated
from detectory.structures import Instances, RotatedBoxes

from .box_inference import detect_each, select_detections
from .fast_rcnn import FastRCNNOutputLayers
from .standard_roi_heads import StandardROIHeads


def fast_rcnn_inference_rotated(
    boxes: Sequence[Tensor],
    scores: Sequence[Tensor],
    image_shapes: Sequence[tuple[int, int]],
    score_thresh: float,
    nms_thresh: float,
    topk_per_image: int,
) -> tuple[list[Instances], list[Tensor]]:
    """Select the rotated detections of each image; as `fast_rcnn_inference`, with five coordinates per box."""
    thresholds = (score_thresh, nms_thresh, topk_per_image)
    return detect_each(fast_rcnn_inference_single_image_rotated, boxes, scores, image_shapes, *thresholds)


def fast_rcnn_inference_single_image_rotated(
    boxes: Tensor,
    scores: Tensor,
    image_shape: tuple[int, int],
    score_thresh: float,
    nms_thresh: float,
    topk_per_image: int,
) -> tuple[Instances, Tensor]:
    """Select the rotated detections of one image; see `fast_rcnn_inference_rotated`."""
    return select_detections(
        boxes, scores, image_shape, score_thresh, nms_thresh, topk_per_image, RotatedBoxes, batched_nms_rotated
    )


class RotatedFastRCNNOutputLayers(FastRCNNOutputLayers):
    """`FastRCNNOutputLayers` for rotated boxes; requires a `Box2BoxTransformRotated`."""

    _inference = staticmethod(fast_rcnn_inference_rotated)


class RROIHeads(StandardROIHeads):
    """`StandardROIHeads` for rotated proposals, without masks and keypoints.

    Args:
        kwargs: Arguments of `StandardROIHeads`; the pooler has the type `"ROIAlignRotated"`.

    Raises:
        ValueError: If there is a mask or keypoint head, or `train_on_pred_boxes` is set.

    Source: Ma et al., "Arbitrary-Oriented Scene Text Detection via Rotation Proposals", 2018.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if self.mask_on or self.keypoint_on or self.train_on_pred_boxes:
            raise ValueError("RROIHeads: rotated boxes support neither mask and keypoint heads nor train_on_pred_boxes")
