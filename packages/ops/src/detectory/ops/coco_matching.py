"""COCO's greedy matching of detections to ground truths, for a whole dataset in one call.

The dataset is divided into groups: one category of one image, or one image if categories are ignored. Detections are
concatenated over all groups, sorted by descending score within a group and limited to the largest "max dets"; ground
truths are concatenated likewise. `dt_groups` (G + 1) and `gt_groups` (G + 1) are the offsets of the groups. Overlaps
are the flattened (detections, ground truths) matrices of all groups, row-major and concatenated, as returned by
`grouped_box_iou` and `grouped_rle_iou`. Any other similarity (keypoints, rotated boxes) can be used.

Source: Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, and the evaluation rules of its web site.
"""

from collections.abc import Sequence

import torch

from detectory.ops._checks.arguments import check_tensor
from detectory.ops._checks.groups import check_groups, crowd_flags
from detectory.ops._library import ops


def grouped_box_iou(
    dt_boxes: torch.Tensor,
    gt_boxes: torch.Tensor,
    iscrowd: Sequence[bool] | torch.Tensor | None,
    dt_groups: torch.Tensor,
    gt_groups: torch.Tensor,
) -> torch.Tensor:
    """Return the intersection over union of the boxes of each group, bit-identical to pycocotools.

    Args:
        dt_boxes: (D, 4) floating COCO boxes `(x, y, width, height)`, computed in float64.
        gt_boxes: (M, 4), in the same format.
        iscrowd: M flags; the overlap with a crowd is divided by the area of the detection. None without crowds.
        dt_groups: (G + 1) int64, from 0 to D; group g contains detections `dt_groups[g]:dt_groups[g + 1]`.
        gt_groups: (G + 1) int64, from 0 to M, for the ground truths.

    Returns:
        (P,) float64 in [0, 1], the matrices of all groups. 0 for boxes with non-positive width or height.

    Raises:
        TypeError: If an argument has the wrong dtype.
        ValueError: If a shape does not match, or group offsets do not increase from 0 to the number of entries.

    Example:
        >>> boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [1.0, 0.0, 2.0, 2.0]])
        >>> grouped_box_iou(boxes, boxes[:1], None, torch.tensor([0, 2]), torch.tensor([0, 1]))
        tensor([1.0000, 0.3333], dtype=torch.float64)
    """
    function = "grouped_box_iou"
    check_tensor(function, "dt_boxes", dt_boxes, "(D, 4)")
    check_tensor(function, "gt_boxes", gt_boxes, "(M, 4)")
    crowd = crowd_flags(function, iscrowd, len(gt_boxes))
    check_groups(function, "dt_groups", dt_groups, len(dt_boxes))
    check_groups(function, "gt_groups", gt_groups, len(gt_boxes), len(dt_groups))
    return ops.grouped_box_iou(dt_boxes.cpu(), gt_boxes.cpu(), crowd, dt_groups, gt_groups)


def coco_match(
    ious: torch.Tensor,
    iou_thresholds: torch.Tensor,
    dt_groups: torch.Tensor,
    gt_groups: torch.Tensor,
    dt_outside: torch.Tensor,
    gt_ignore: torch.Tensor,
    gt_crowd: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Match detections to ground truths at all overlap thresholds and in all area ranges.

    In each group and at each threshold, detections are processed in order of score. A detection is matched to the
    unmatched ground truth with the highest overlap of at least the threshold (the last one of equals). Ignored ground
    truths are only considered if no other qualifies, and crowds can be matched any number of times. Because of the
    order, results for a smaller "max dets" are obtained by dropping the lower-scored detections of each group.

    Args:
        ious: (P,) float64, the matrices of all groups; NaN does not match.
        iou_thresholds: (T,) floating; a threshold of 1 is treated as 1 - 1e-10.
        dt_groups: (G + 1) int64 from 0 to D.
        gt_groups: (G + 1) int64 from 0 to M.
        dt_outside: (A, D) bool, per area range the detections that are ignored if unmatched: their area is outside the
            range, or (LVIS) their category is not exhaustively annotated in the image.
        gt_ignore: (A, M) bool, per area range the ignored ground truths: crowds, those marked as ignored and those with
            an area outside the range.
        gt_crowd: (M,) bool, ground truths that can be matched any number of times.

    Returns:
        `dt_match` (A, T, D) int32, the ground truth of each detection as an index into all M, -1 if unmatched;
        `dt_ignore` (A, T, D) bool, detections that are neither true nor false positives;
        `gt_match` (A, T, M) int32, the detection of each ground truth (the last one for crowds) as an index into all D,
        -1 if unmatched. True positives have `dt_match >= 0`, false positives `dt_match < 0`, both without `dt_ignore`.
        All tensors are on the CPU.

    Raises:
        TypeError: If an argument has the wrong dtype.
        ValueError: If a shape does not match, or group offsets do not increase from 0 to the number of entries.

    Example:
        One image, one category: two detections of the same object, the second one is a false positive.

        >>> one, flags = torch.tensor([0, 1]), torch.zeros(1, 2, dtype=torch.bool)
        >>> ious, thresholds = torch.tensor([0.9, 0.6], dtype=torch.float64), torch.tensor([0.5])
        >>> coco_match(ious, thresholds, torch.tensor([0, 2]), one, flags, flags[:, :1], flags[0, :1])[0]
        tensor([[[ 0, -1]]], dtype=torch.int32)
    """
    function = "coco_match"
    check_tensor(function, "ious", ious, "(P,)")
    check_tensor(function, "iou_thresholds", iou_thresholds, "(T,)")
    check_tensor(function, "dt_outside", dt_outside, "(A, D)", "bool")
    check_tensor(function, "gt_ignore", gt_ignore, "(A, M)", "bool")
    check_tensor(function, "gt_crowd", gt_crowd, "(M,)", "bool")
    if len(dt_outside) != len(gt_ignore) or gt_ignore.shape[1] != len(gt_crowd):
        raise ValueError(
            f"{function}: dt_outside (A, D), gt_ignore (A, M) and gt_crowd (M,) must agree in A and M, "
            f"got {tuple(dt_outside.shape)}, {tuple(gt_ignore.shape)} and {tuple(gt_crowd.shape)}"
        )
    check_groups(function, "dt_groups", dt_groups, dt_outside.shape[1])
    check_groups(function, "gt_groups", gt_groups, gt_ignore.shape[1], len(dt_groups))
    pairs = int((dt_groups.diff() * gt_groups.diff()).sum())
    if len(ious) != pairs:
        raise ValueError(f"{function}: ious must have {pairs} entries, one per pair in a group, got {len(ious)}")
    tensors = (ious, iou_thresholds, dt_groups, gt_groups, dt_outside, gt_ignore, gt_crowd)
    return ops.coco_match(*(tensor.cpu() for tensor in tensors))


@torch.library.register_fake("detectory::grouped_box_iou")
def _fake_iou(dt_boxes: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
    pairs = torch.library.get_ctx().new_dynamic_size()
    return dt_boxes.new_empty(pairs, dtype=torch.float64)


@torch.library.register_fake("detectory::coco_match")
def _fake_match(
    ious: torch.Tensor,
    iou_thresholds: torch.Tensor,
    _dt_groups: torch.Tensor,
    _gt_groups: torch.Tensor,
    dt_outside: torch.Tensor,
    gt_ignore: torch.Tensor,
    _gt_crowd: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    areas, levels = dt_outside.shape[0], iou_thresholds.shape[0]
    dt_match = ious.new_empty(areas, levels, dt_outside.shape[1], dtype=torch.int32)
    return dt_match, torch.empty_like(dt_match, dtype=torch.bool), dt_match.new_empty(areas, levels, gt_ignore.shape[1])
