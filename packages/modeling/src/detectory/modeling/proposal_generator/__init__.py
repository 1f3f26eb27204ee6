"""Region proposal networks for axis-aligned and rotated boxes."""

from .proposals import (
    add_ground_truth_to_proposals,
    add_ground_truth_to_proposals_single_image,
    find_top_rpn_proposals,
)
from .rpn import RPN
from .rpn_head import StandardRPNHead
from .rrpn import RRPN, find_top_rrpn_proposals

__all__ = [
    "RPN",
    "RRPN",
    "StandardRPNHead",
    "add_ground_truth_to_proposals",
    "add_ground_truth_to_proposals_single_image",
    "find_top_rpn_proposals",
    "find_top_rrpn_proposals",
]
