"""Selection of proposals, and addition of the ground truth to them."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from detectory.modeling.traced_sizes import at_most
from detectory.ops import batched_nms
from detectory.structures import Boxes, Instances, RotatedBoxes

#: Objectness logit of a ground-truth box: `log(p / (1 - p))` for `p = 1 - 1e-10`.
GROUND_TRUTH_LOGIT = math.log((1.0 - 1e-10) / (1 - (1.0 - 1e-10)))

#: `nms(boxes, scores, groups, iou_threshold)`: the indices of the kept boxes, as `batched_nms` returns them.
BatchedNMS = Callable[[Tensor, Tensor, Tensor, float], Tensor]


def top_anchors(pred_objectness_logits: Sequence[Tensor], pre_nms_topk: int) -> list[tuple[Tensor, Tensor]]:
    """Return the highest logits of each level and the indices of their anchors, in descending order.

    Args:
        pred_objectness_logits: Logits of each level, `(B, H * W * A)`.
        pre_nms_topk: Maximum number of anchors per image and level.

    Returns:
        For each level the logits and the int64 indices, both `(B, k)`.
    """
    return [logits.topk(at_most(logits.shape[1], pre_nms_topk), dim=1) for logits in pred_objectness_logits]


def suppress_proposals(
    boxes: Sequence[Tensor],
    scores: Sequence[Tensor],
    image_sizes: Sequence[tuple[int, int]],
    nms_thresh: float,
    post_nms_topk: int,
    min_box_size: float,
    training: bool,
    box_class: type[Boxes] | type[RotatedBoxes] = Boxes,
    nms: BatchedNMS = batched_nms,
    min_logit: float = -math.inf,
) -> list[Instances]:
    """Clip proposals to the image, remove small ones, and apply NMS within each level.

    The limit `post_nms_topk` applies to all levels of an image together. (Detectron 1 applied it to the whole batch in
    training, so that the proposals of an image depended on the other images.)

    Args:
        boxes: Decoded boxes of each level, `(B, k, D)`.
        scores: Objectness logits of each level, `(B, k)`.
        image_sizes: `(height, width)` of each image.
        nms_thresh: IoU threshold of the NMS.
        post_nms_topk: Maximum number of proposals per image.
        min_box_size: Minimum width and height of a proposal in pixels, exclusive.
        training: Whether non-finite values are an error; otherwise the affected proposals are removed.
        box_class: Class of the boxes.
        nms: Batched NMS for this class.
        min_logit: Minimum objectness logit of a proposal.

    Returns:
        For each image `Instances` with `proposal_boxes` and `objectness_logits`, in descending order of the logits.

    Raises:
        FloatingPointError: If a box or a score is infinite or NaN in training.
    """
    all_boxes = torch.cat(list(boxes), dim=1)  # (B, R, D)
    all_scores = torch.cat(list(scores), dim=1)  # (B, R)
    levels = torch.cat([level.new_full((level.shape[1],), i, dtype=torch.int64) for i, level in enumerate(scores)])
    finite = all_boxes.isfinite().all(dim=2) & all_scores.isfinite()
    if training and not bool(finite.all()):
        raise FloatingPointError("RPN: predicted boxes or scores contain infinite values or NaN, training has diverged")
    results = []
    for image_size, image_boxes, logits, valid in zip(image_sizes, all_boxes, all_scores, finite, strict=True):
        proposals = box_class(image_boxes.nan_to_num())
        proposals.clip(image_size)
        kept = valid & proposals.nonempty(threshold=min_box_size)
        if min_logit > -math.inf:
            kept &= logits >= min_logit
        proposals, logits, proposal_levels = proposals[kept], logits[kept], levels[kept]
        # Levels do not suppress each other: an object that two levels propose may fit either of them.
        best = nms(proposals.tensor, logits, proposal_levels, nms_thresh)[:post_nms_topk]
        results.append(Instances(image_size, proposal_boxes=proposals[best], objectness_logits=logits[best]))
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
    box_class: type[Boxes] | type[RotatedBoxes] = Boxes,
    nms: BatchedNMS = batched_nms,
) -> list[Instances]:
    """Select the proposals of a batch from the decoded boxes of all anchors.

    Args:
        proposals: Decoded boxes of each level, `(B, H * W * A, D)`.
        pred_objectness_logits: Logits of each level, `(B, H * W * A)`.
        image_sizes: `(height, width)` of each image.
        nms_thresh: IoU threshold of the NMS within each level.
        pre_nms_topk: Maximum number of boxes per image and level before the NMS.
        post_nms_topk: Maximum number of proposals per image.
        min_box_size: Minimum width and height of a proposal in pixels, exclusive.
        training: Whether non-finite values are an error; otherwise the affected proposals are removed.
        box_class: Class of the boxes.
        nms: Batched NMS for this class.

    Returns:
        For each image `Instances` with `proposal_boxes` and `objectness_logits`, in descending order of the logits.

    Raises:
        FloatingPointError: If a box or a score is infinite or NaN in training.
    """
    best = top_anchors(pred_objectness_logits, pre_nms_topk)
    boxes = [gather_rows(level, indices) for level, (_, indices) in zip(proposals, best, strict=True)]
    scores = [level_scores for level_scores, _ in best]
    return suppress_proposals(
        boxes, scores, image_sizes, nms_thresh, post_nms_topk, min_box_size, training, box_class, nms
    )


def gather_rows(values: Tensor, indices: Tensor) -> Tensor:
    """Return the rows `indices` `(B, k)` of each image's `values` `(B, N, D)`, a tensor `(B, k, D)`."""
    return values.gather(1, indices.unsqueeze(-1).expand(-1, -1, values.shape[-1]))


def add_ground_truth_to_proposals(
    gt: Sequence[Instances] | Sequence[Boxes], proposals: Sequence[Instances]
) -> list[Instances]:
    """Append the ground-truth boxes of each image to its proposals.

    Early in training no proposal may overlap an object sufficiently to be positive; the ground-truth box always does.

    Args:
        gt: `Instances` with `gt_boxes` and all fields of the proposals for each image, or only the boxes.
        proposals: `Instances` with `proposal_boxes` and `objectness_logits` for each image.

    Returns:
        New `Instances` for each image, the ground truth last, with a logit of almost certainty.

    Raises:
        ValueError: If the numbers of images differ, or the proposals have a field that the ground truth lacks.
    """
    if len(gt) != len(proposals):
        raise ValueError(
            f"add_ground_truth_to_proposals: gt must have {len(proposals)} elements, one per image, got {len(gt)}"
        )
    return [add_ground_truth_to_proposals_single_image(gt[i], proposals[i]) for i in range(len(gt))]


def add_ground_truth_to_proposals_single_image(gt: Instances | Boxes, proposals: Instances) -> Instances:
    """Append the ground-truth boxes of one image to its proposals; see `add_ground_truth_to_proposals`."""
    targets = gt if isinstance(gt, Instances) else Instances(proposals.image_size, gt_boxes=gt)
    fields = {"proposal_boxes": targets.gt_boxes}
    for name in proposals.get_fields():
        if name == "objectness_logits":
            fields[name] = proposals.objectness_logits.new_full((len(targets),), GROUND_TRUTH_LOGIT)
        elif name != "proposal_boxes":
            if not targets.has(name):
                raise ValueError(f"add_ground_truth_to_proposals: gt must have field {name!r} of the proposals")
            fields[name] = targets.get(name)
    return Instances.cat([proposals, Instances(proposals.image_size, **fields)])
