"""From class probabilities and boxes of regions to detections."""

from collections.abc import Sequence

from torch import Tensor

from detectory.ops import batched_nms
from detectory.structures import Boxes, Instances


def fast_rcnn_inference(
    boxes: Sequence[Tensor],
    scores: Sequence[Tensor],
    image_shapes: Sequence[tuple[int, int]],
    score_thresh: float,
    nms_thresh: float,
    topk_per_image: int,
) -> tuple[list[Instances], list[Tensor]]:
    """Detect objects in every image of a batch.

    Args:
        boxes: `(R_i, K * 4)`, or `(R_i, 4)` where all classes share a box.
        scores: Probabilities `(R_i, K + 1)`, background last.
        image_shapes: `(height, width)` of every image.
        score_thresh: Detections must score higher.
        nms_thresh: IoU above which the lesser of two detections of a class goes.
        topk_per_image: Most detections of an image; negative for all.

    Returns:
        For every image `Instances` with `pred_boxes`, `scores` and `pred_classes`, best first, and the
        indices of their regions, int64.
    """
    results = [
        fast_rcnn_inference_single_image(*image, score_thresh, nms_thresh, topk_per_image)
        for image in zip(boxes, scores, image_shapes, strict=True)
    ]
    return [result for result, _ in results], [index for _, index in results]


def fast_rcnn_inference_single_image(
    boxes: Tensor,
    scores: Tensor,
    image_shape: tuple[int, int],
    score_thresh: float,
    nms_thresh: float,
    topk_per_image: int,
) -> tuple[Instances, Tensor]:
    """Do for one image what `fast_rcnn_inference` does for a batch.

    A region whose box or score is not finite gives no detection.
    """
    usable = boxes.isfinite().all(dim=1) & scores.isfinite().all(dim=1)
    scores = scores[:, :-1]
    # One class per column: a region may be detected as several classes.
    region, label = ((scores > score_thresh) & usable.unsqueeze(1)).nonzero(as_tuple=True)
    shared = boxes.shape[1] == 4
    chosen = boxes[region] if shared else boxes.view(boxes.shape[0], boxes.shape[1] // 4, 4)[region, label]
    clipped = Boxes(chosen)
    clipped.clip(image_shape)
    confidence = scores[region, label]
    keep = batched_nms(clipped.tensor, confidence, label, nms_thresh)
    if topk_per_image >= 0:
        keep = keep[:topk_per_image]
    found = Instances(image_shape, pred_boxes=clipped[keep], scores=confidence[keep], pred_classes=label[keep])
    return found, region[keep]
