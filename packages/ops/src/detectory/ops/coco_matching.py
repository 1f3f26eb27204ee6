"""COCO's greedy matching of detections to ground truths, for a whole data set in one call.

The data set is cut into groups: one group is one category of one image (or one image where categories do not count).
All detections stand in one list, group after group, within a group the best score first and no more than the largest
"max dets"; all ground truths stand in another. `dt_groups` (G + 1) and `gt_groups` (G + 1) say where each group starts.
Overlaps are flat: the (detections, ground truths) block of each group, row-major, one after the other, as
`grouped_box_iou` and `grouped_rle_iou` return them; another measure (keypoint similarity, rotated boxes) fits as well.

Source: Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, and the evaluation rules of its web site.
"""

from collections.abc import Sequence

import torch

from detectory.ops._arguments import check_tensor
from detectory.ops._groups import check_groups, crowd_flags
from detectory.ops._library import ops


def grouped_box_iou(
    dt_boxes: torch.Tensor,
    gt_boxes: torch.Tensor,
    iscrowd: Sequence[bool] | torch.Tensor | None,
    dt_groups: torch.Tensor,
    gt_groups: torch.Tensor,
) -> torch.Tensor:
    """Intersection over union of the boxes of each group, equal to pycocotools' to the bit.

    Args:
        dt_boxes: (D, 4) floating COCO boxes `(x, y, width, height)`, computed in float64.
        gt_boxes: (M, 4) likewise.
        iscrowd: M flags; overlap with a crowd counts over the detection's own area. None: no crowds.
        dt_groups: (G + 1) int64, group g has the detections `dt_groups[g]:dt_groups[g + 1]`; from 0 to D.
        gt_groups: (G + 1) int64, likewise for the ground truths.

    Returns:
        Flat float64 in [0, 1], the blocks of all groups. 0 for boxes of non-positive width or height.

    Raises:
        TypeError: an argument has not the stated dtype.
        ValueError: a shape does not fit, or groups do not rise from 0 to the end.

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

    In each group, at each threshold, detections choose in order of score. A detection takes the free ground truth that
    it overlaps most, at least by the threshold (of equals the last); a ground truth to be ignored only where no other
    qualifies. Crowds are never used up. As the choice goes in order of score, a smaller "max dets" needs no other call:
    drop each group's detections beyond it from the results.

    Args:
        ious: Flat float64, the blocks of all groups; NaN matches nothing.
        iou_thresholds: (T,) floating; a threshold of 1 is read as 1 - 1e-10.
        dt_groups: (G + 1) int64 from 0 to D.
        gt_groups: (G + 1) int64 from 0 to M.
        dt_outside: (A, D) bool, for each area range the detections to be ignored where they match nothing: those whose
            own area lies outside of the range (for LVIS also those of not exhaustively annotated categories).
        gt_ignore: (A, M) bool, for each area range the ground truths to be ignored: crowds, those marked so and those
            whose area lies outside of the range.
        gt_crowd: (M,) bool, the ground truths that any number of detections may match.

    Returns:
        `dt_match` (A, T, D) int32, the index of each detection's ground truth among all M, -1 for none;
        `dt_ignore` (A, T, D) bool, detections that count neither as right nor as wrong;
        `gt_match` (A, T, M) int32, the index of each ground truth's detection among all D, a crowd's last, -1 for none.
        Right are the detections with `dt_match >= 0` and not `dt_ignore`, wrong those with `dt_match < 0` and not
        `dt_ignore`. All on the CPU.

    Raises:
        TypeError: an argument has not the stated dtype.
        ValueError: a shape does not fit, or groups do not rise from 0 to the end.

    Example:
        One image, one category: two detections of one object, the second is a false alarm.

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
            f"{function}: dt_outside (A, D), gt_ignore (A, M) and gt_crowd (M,) must share A and M, "
            f"got {tuple(dt_outside.shape)}, {tuple(gt_ignore.shape)} and {tuple(gt_crowd.shape)}"
        )
    check_groups(function, "dt_groups", dt_groups, dt_outside.shape[1])
    check_groups(function, "gt_groups", gt_groups, gt_ignore.shape[1], len(dt_groups))
    pairs = int((dt_groups.diff() * gt_groups.diff()).sum())
    if len(ious) != pairs:
        raise ValueError(f"{function}: ious must hold the groups' {pairs} pairs, got {len(ious)}")
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
