"""Selection of proposals under Detectron2's module path."""

from detectory.modeling.proposal_generator import (
    add_ground_truth_to_proposals,
    add_ground_truth_to_proposals_single_image,
    find_top_rpn_proposals,
)

__all__ = ["add_ground_truth_to_proposals", "add_ground_truth_to_proposals_single_image", "find_top_rpn_proposals"]
