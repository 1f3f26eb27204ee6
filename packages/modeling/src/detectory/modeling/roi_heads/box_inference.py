"""Selection of detections from the class probabilities and boxes of regions."""

import math
from collections.abc import Callable, Sequence

from torch import Tensor

from detectory.ops import batched_nms
from detectory.structures import Boxes, Instances, RotatedBoxes

#: A function with the parameters and results of `fast_rcnn_inference`.
BatchInference = Callable[..., tuple[list[Instances], list[Tensor]]]


def fast_rcnn_inference(
    boxes: Sequence[Tensor],
    scores: Sequence[Tensor],
    image_shapes: Sequence[tuple[int, int]],
    score_thresh: float,
    nms_thresh: float,
    topk_per_image: int,
) -> tuple[list[Instances], list[Tensor]]:
    """Select the detections of each image by score threshold, NMS within each class, and maximum number.

    Args:
        boxes: Boxes of each image, `(R_i, K * 4)`, or `(R_i, 4)` if class-agnostic.
        scores: Probabilities of each image, `(R_i, K + 1)`, the background last.
        image_shapes: `(height, width)` of each image.
        score_thresh: Score threshold, exclusive.
        nms_thresh: IoU threshold of the NMS.
        topk_per_image: Maximum number of detections per image; a negative number for no limit.

    Returns:
        For each image `Instances` with `pred_boxes`, `scores` and `pred_classes`, in descending order of the scores;
        and the int64 indices of their regions.
    """
    thresholds = (score_thresh, nms_thresh, topk_per_image)
    return detect_each(fast_rcnn_inference_single_image, boxes, scores, image_shapes, *thresholds)


def detect_each(
    select: Callable[..., tuple[Instances, Tensor]],
    boxes: Sequence[Tensor],
    scores: Sequence[Tensor],
    image_shapes: Sequence[tuple[int, int]],
    *thresholds: float,
) -> tuple[list[Instances], list[Tensor]]:
    """Call `select(boxes, scores, image_shape, *thresholds)` for each image; see `fast_rcnn_inference`."""
    results = [select(*image, *thresholds) for image in zip(boxes, scores, image_shapes, strict=True)]
    return [detections for detections, _ in results], [indices for _, indices in results]


def fast_rcnn_inference_single_image(
    boxes: Tensor,
    scores: Tensor,
    image_shape: tuple[int, int],
    score_thresh: float,
    nms_thresh: float,
    topk_per_image: int,
) -> tuple[Instances, Tensor]:
    """Select the detections of one image; see `fast_rcnn_inference`. Regions with non-finite values are ignored."""
    return select_detections(boxes, scores, image_shape, score_thresh, nms_thresh, topk_per_image, Boxes, batched_nms)


def select_detections(
    boxes: Tensor,
    scores: Tensor,
    image_shape: tuple[int, int],
    score_thresh: float,
    nms_thresh: float,
    topk_per_image: int,
    box_class: type[Boxes] | type[RotatedBoxes],
    nms: Callable[[Tensor, Tensor, Tensor, float], Tensor],
    min_box_size: float = -math.inf,
) -> tuple[Instances, Tensor]:
    """Select the detections of one image with boxes of `box_class`, by the batched NMS of this class.

    Clipped boxes with a side of at most `min_box_size` pixels are removed before the NMS. The other arguments and the
    results are those of `fast_rcnn_inference`, for a single image.
    """
    finite = boxes.isfinite().all(dim=1) & scores.isfinite().all(dim=1)
    scores = scores[:, :-1]
    # Each pair of region and class is a candidate: a region may be detected as several classes.
    region, label = ((scores > score_thresh) & finite.unsqueeze(1)).nonzero(as_tuple=True)
    box_dim = 5 if issubclass(box_class, RotatedBoxes) else 4
    if boxes.shape[1] == box_dim:
        candidates = box_class(boxes[region])
    else:
        candidates = box_class(boxes.view(boxes.shape[0], boxes.shape[1] // box_dim, box_dim)[region, label])
    candidates.clip(image_shape)
    if min_box_size > -math.inf:
        large = candidates.nonempty(min_box_size)
        candidates, region, label = candidates[large], region[large], label[large]
    candidate_scores = scores[region, label]
    keep = nms(candidates.tensor, candidate_scores, label, nms_thresh)
    if topk_per_image >= 0:
        keep = keep[:topk_per_image]
    detections = Instances(
        image_shape, pred_boxes=candidates[keep], scores=candidate_scores[keep], pred_classes=label[keep]
    )
    return detections, region[keep]
