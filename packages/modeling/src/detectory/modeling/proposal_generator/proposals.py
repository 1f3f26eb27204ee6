"""Choosing proposals, and the ground truth among them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from detectory.ops import batched_nms
from detectory.structures import Boxes, Instances, RotatedBoxes

#: The logit of a proposal that is certain: `log(p / (1 - p))` for `p = 1 - 1e-10`.
CERTAIN_LOGIT = math.log((1.0 - 1e-10) / (1 - (1.0 - 1e-10)))

Suppress = Callable[[Tensor, Tensor, Tensor, float], Tensor]


def top_anchors(pred_objectness_logits: Sequence[Tensor], pre_nms_topk: int) -> list[tuple[Tensor, Tensor]]:
    """Return for every level the best scores and their anchors' indices, both `(B, k)`, best first.

    Args:
        pred_objectness_logits: One `(B, H * W * A)` a level.
        pre_nms_topk: Most anchors of an image and level.
    """
    return [logits.topk(_at_most(logits.shape[1], pre_nms_topk), dim=1) for logits in pred_objectness_logits]


def _at_most(count: int | Tensor, limit: int) -> Any:
    """Return the smaller number; a size is a tensor while `torch.jit.trace` records, and stays one."""
    return count.clamp(max=limit) if isinstance(count, Tensor) else min(count, limit)


def suppress_proposals(
    boxes: Sequence[Tensor],
    scores: Sequence[Tensor],
    image_sizes: Sequence[tuple[int, int]],
    nms_thresh: float,
    post_nms_topk: int,
    min_box_size: float,
    training: bool,
    box_class: type[Boxes] | type[RotatedBoxes] = Boxes,
    suppress: Suppress = batched_nms,
) -> list[Instances]:
    """Clip proposals, drop small ones and suppress overlaps within each level.

    Args:
        boxes: `(B, k, D)` for every level.
        scores: Logits `(B, k)` for every level.
        image_sizes: `(height, width)` of every image.
        nms_thresh: IoU above which the lesser of two proposals of a level goes.
        post_nms_topk: Most proposals of an image.
        min_box_size: Proposals not wider and higher than this many pixels go.
        training: Whether a value that is not finite is an error (else its proposal goes).
        box_class: What wraps the boxes.
        suppress: The matching `batched_nms`.

    Returns:
        For every image `Instances` with `proposal_boxes` and `objectness_logits`, best first.

    Raises:
        FloatingPointError: in training, if a prediction is infinite or not a number.
    """
    all_boxes, all_scores = torch.cat(list(boxes), dim=1), torch.cat(list(scores), dim=1)
    levels = torch.cat([level.new_full((level.shape[1],), i, dtype=torch.int64) for i, level in enumerate(scores)])
    finite = all_boxes.isfinite().all(dim=2) & all_scores.isfinite()
    if training and not bool(finite.all()):
        raise FloatingPointError("RPN: predicted boxes or scores contain infinite values or NaN, training has diverged")
    results = []
    for image_size, rows, logits, valid in zip(image_sizes, all_boxes, all_scores, finite, strict=True):
        image_boxes = box_class(rows.nan_to_num())
        image_boxes.clip(image_size)
        kept = valid & image_boxes.nonempty(threshold=min_box_size)
        image_boxes, logits, image_levels = image_boxes[kept], logits[kept], levels[kept]
        best = suppress(image_boxes.tensor, logits, image_levels, nms_thresh)[:post_nms_topk]
        results.append(Instances(image_size, proposal_boxes=image_boxes[best], objectness_logits=logits[best]))
    return results


def find_top_rpn_proposals(
    proposals: Sequence[Tensor],
    pred_objectness_logits: Sequence[Tensor],
    image_sizes: Sequence[tuple[int, int]],
    nms_thresh: float,
    pre_nms_topk: int,
    post_nms_topk: int,
    min_box_size: float,
    training: bool,
) -> list[Instances]:
    """Choose the proposals of a batch out of one box an anchor.

    Args:
        proposals: Decoded boxes `(B, H * W * A, 4)` for every level.
        pred_objectness_logits: `(B, H * W * A)` for every level.
        image_sizes: `(height, width)` of every image.
        nms_thresh: IoU above which the lesser of two proposals of a level goes.
        pre_nms_topk: Most anchors of an image and level that are looked at.
        post_nms_topk: Most proposals of an image.
        min_box_size: Proposals not wider and higher than this many pixels go.
        training: Whether a value that is not finite is an error.

    Returns:
        For every image `Instances` with `proposal_boxes` and `objectness_logits`, best first.
    """
    best = top_anchors(pred_objectness_logits, pre_nms_topk)
    boxes = [take_rows(level, index) for level, (_, index) in zip(proposals, best, strict=True)]
    scores = [score for score, _ in best]
    return suppress_proposals(boxes, scores, image_sizes, nms_thresh, post_nms_topk, min_box_size, training)


def take_rows(values: Tensor, index: Tensor) -> Tensor:
    """Return for every image its own rows: `values` `(B, N, D)`, `index` `(B, k)`, result `(B, k, D)`."""
    return values.gather(1, index.unsqueeze(-1).expand(-1, -1, values.shape[-1]))


def add_ground_truth_to_proposals(
    gt: Sequence[Instances] | Sequence[Boxes], proposals: Sequence[Instances]
) -> list[Instances]:
    """Append every image's ground-truth boxes to its proposals.

    Early in training no proposal may overlap an object enough; its own box always does.

    Args:
        gt: Boxes of every image, or `Instances` with `gt_boxes` and any other field that proposals have.
        proposals: `Instances` with `proposal_boxes` and `objectness_logits`.

    Returns:
        New `Instances`, ground truth last, with a logit of near certainty.
    """
    if len(gt) != len(proposals):
        raise ValueError(f"add_ground_truth_to_proposals: got ground truth of {len(gt)} images for {len(proposals)}")
    return [add_ground_truth_to_proposals_single_image(gt[i], found) for i, found in enumerate(proposals)]


def add_ground_truth_to_proposals_single_image(gt: Instances | Boxes, proposals: Instances) -> Instances:
    """Do for one image what `add_ground_truth_to_proposals` does for a batch."""
    truth = gt if isinstance(gt, Instances) else Instances(proposals.image_size, gt_boxes=gt)
    fields = {"proposal_boxes": truth.gt_boxes}
    for name in proposals.get_fields():
        if name == "objectness_logits":
            fields[name] = proposals.objectness_logits.new_full((len(truth),), CERTAIN_LOGIT)
        elif name != "proposal_boxes":
            if not truth.has(name):
                raise ValueError(f"add_ground_truth_to_proposals: proposals have a field {name!r} that gt lacks")
            fields[name] = truth.get(name)
    return Instances.cat([proposals, Instances(proposals.image_size, **fields)])
