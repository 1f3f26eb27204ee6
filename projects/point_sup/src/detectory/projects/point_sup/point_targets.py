"""Labeled points of ground-truth objects, relative to their proposals.

Source: Cheng, Parkhi and Kirillov, "Pointly-Supervised Instance Segmentation", CVPR 2022, section 3.2.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from detectory.structures import Instances

__all__ = ["get_point_coords_from_point_annotation"]


def get_point_coords_from_point_annotation(instances: Sequence[Instances]) -> tuple[Tensor, Tensor]:
    """Return the annotated points relative to the proposals, and their labels.

    Args:
        instances: Foreground proposals per image with `proposal_boxes`, `gt_point_coords` `(R_i, P, 2)` in pixels of
            the image and `gt_point_labels` `(R_i, P)`, `R` proposals in total.

    Returns:
        Points `(R, P, 2)`, (x, y) in [0, 1] inside the proposals, and labels `(R, P)`, float32: 1 on the object, 0
        on the background, and -1 for ignored points, which include all points outside the proposal.

    Raises:
        ValueError: If the instances have no points.
    """
    non_empty = [x for x in instances if len(x)]
    if not non_empty:
        boxes = torch.cat([x.proposal_boxes.tensor for x in instances])
        # One point per region: views of features without regions need a known number of points.
        return boxes.new_zeros(0, 1, 2), boxes.new_zeros(0, 1)
    if not all(x.has("gt_point_coords") and x.has("gt_point_labels") for x in non_empty):
        raise ValueError(
            "get_point_coords_from_point_annotation: the targets have no gt_point_coords and gt_point_labels. "
            "Annotations need 'point_coords' and 'point_labels', which PointSupDatasetMapper reads"
        )
    boxes = torch.cat([x.proposal_boxes.tensor for x in non_empty])
    coords = torch.cat([x.gt_point_coords for x in non_empty]).to(boxes)
    labels = torch.cat([x.gt_point_labels for x in non_empty]).to(boxes)
    corner, opposite = boxes[:, None, :2], boxes[:, None, 2:]  # (R, 1, 2)
    is_outside = ((coords < corner) | (coords > opposite)).any(dim=-1)
    return (coords - corner) / (opposite - corner), labels.masked_fill(is_outside, -1)
