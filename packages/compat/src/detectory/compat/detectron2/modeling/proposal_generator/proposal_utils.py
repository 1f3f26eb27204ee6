"""Proposal selection under Detectron2's module path."""

from collections.abc import Sequence

import torch
from torch import Tensor

from detectory.modeling import proposal_generator as native
from detectory.modeling.proposal_generator import (
    add_ground_truth_to_proposals,
    add_ground_truth_to_proposals_single_image,
)
from detectory.structures import Instances

__all__ = ["add_ground_truth_to_proposals", "add_ground_truth_to_proposals_single_image", "find_top_rpn_proposals"]


def _is_tracing() -> bool:
    """Return whether `torch.jit.trace` is recording."""
    return not torch.jit.is_scripting() and torch.jit.is_tracing()


def find_top_rpn_proposals(
    proposals: list[Tensor],
    pred_objectness_logits: list[Tensor],
    image_sizes: Sequence[tuple[int, int]],
    nms_thresh: float,
    pre_nms_topk: int,
    post_nms_topk: int,
    min_box_size: float,
    training: bool,
) -> list[Instances]:
    """Select the top proposals of every image; see the native function for the arguments."""
    count = len(image_sizes)
    return native.find_top_rpn_proposals(
        [level[:count] for level in proposals],
        [level[:count] for level in pred_objectness_logits],
        image_sizes,
        nms_thresh,
        pre_nms_topk,
        post_nms_topk,
        min_box_size,
        training,
    )
