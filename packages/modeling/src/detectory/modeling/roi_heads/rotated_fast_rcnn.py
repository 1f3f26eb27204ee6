"""Fast R-CNN for rotated boxes."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from detectory import ops
from detectory.structures import Instances, RotatedBoxes

from .fast_rcnn import FastRCNNOutputLayers, Predictions
from .standard_roi_heads import StandardROIHeads


def fast_rcnn_inference_rotated(
    boxes: Sequence[Tensor],
    scores: Sequence[Tensor],
    image_shapes: Sequence[tuple[int, int]],
    score_thresh: float,
    nms_thresh: float,
    topk_per_image: int,
) -> tuple[list[Instances], list[Tensor]]:
    """Detect rotated objects; as `fast_rcnn_inference` with boxes `(R_i, K * 5)` or `(R_i, 5)`."""
    results = [
        fast_rcnn_inference_single_image_rotated(*image, score_thresh, nms_thresh, topk_per_image)
        for image in zip(boxes, scores, image_shapes, strict=True)
    ]
    return [result for result, _ in results], [index for _, index in results]


def fast_rcnn_inference_single_image_rotated(
    boxes: Tensor,
    scores: Tensor,
    image_shape: tuple[int, int],
    score_thresh: float,
    nms_thresh: float,
    topk_per_image: int,
) -> tuple[Instances, Tensor]:
    """Do for one image what `fast_rcnn_inference_rotated` does for a batch."""
    usable = boxes.isfinite().all(dim=1) & scores.isfinite().all(dim=1)
    scores = scores[:, :-1]
    region, label = ((scores > score_thresh) & usable.unsqueeze(1)).nonzero(as_tuple=True)
    chosen = boxes[region] if boxes.shape[1] == 5 else boxes.view(boxes.shape[0], boxes.shape[1] // 5, 5)[region, label]
    clipped = RotatedBoxes(chosen)
    clipped.clip(image_shape)
    confidence = scores[region, label]
    keep = ops.batched_nms_rotated(clipped.tensor, confidence, label, nms_thresh)
    if topk_per_image >= 0:
        keep = keep[:topk_per_image]
    found = Instances(image_shape, pred_boxes=clipped[keep], scores=confidence[keep], pred_classes=label[keep])
    return found, region[keep]


class RotatedFastRCNNOutputLayers(FastRCNNOutputLayers):
    """`FastRCNNOutputLayers` whose boxes have five numbers; needs a `Box2BoxTransformRotated`."""

    def inference(
        self, predictions: Predictions, proposals: Sequence[Instances]
    ) -> tuple[list[Instances], list[Tensor]]:
        """Return detections of every image and, for each, the index of its region."""
        return fast_rcnn_inference_rotated(
            self.predict_boxes(predictions, proposals),
            self.predict_probs(predictions, proposals),
            [p.image_size for p in proposals],
            self.test_score_thresh,
            self.test_nms_thresh,
            self.test_topk_per_image,
        )


class RROIHeads(StandardROIHeads):
    """`StandardROIHeads` for rotated proposals; predicts boxes only.

    Args:
        kwargs: Arguments of `StandardROIHeads`; the pooler is of type `"ROIAlignRotated"`.

    Raises:
        ValueError: if a mask or keypoint head is given.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if self.mask_on or self.keypoint_on or self.train_on_pred_boxes:
            raise ValueError("RROIHeads: rotated boxes have no mask or keypoint head and no train_on_pred_boxes")
