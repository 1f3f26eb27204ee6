"""Losses of the coarse segmentation."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from detectory.structures import BitMasks, Instances, PolygonMasks

from .matched_annotations import PackedAnnotations
from .point_sampling import resample_to_boxes


def masks_of_regions(proposals: Sequence[Instances], side: int) -> tuple[Tensor, Tensor] | None:
    """Return the ground-truth masks of the proposals that have one.

    Args:
        proposals: Foreground proposals with `proposal_boxes` and `gt_masks`.
        side: Side length of the result.

    Returns:
        `(A, side, side)` bool masks inside the proposals, and the `(A,)` indices of the proposals; `None` without
        masks.
    """
    masks, indices, start = [], [], 0
    for image in proposals:
        if image.has("gt_masks") and len(image):
            ground_truth: BitMasks | PolygonMasks = image.gt_masks
            masks.append(ground_truth.crop_and_resize(image.proposal_boxes.tensor, side))
            indices.append(torch.arange(start, start + len(image), device=masks[-1].device))
        start += len(image)
    return (torch.cat(masks), torch.cat(indices)) if masks else None


class SegmentationLoss:
    """Cross-entropy of the coarse parts of the annotations.

    Args:
        num_channels: 2 for foreground and background, otherwise all parts.
    """

    def __init__(self, num_channels: int) -> None:
        self.num_channels = num_channels

    def __call__(self, output: Any, annotations: PackedAnnotations | None, proposals: Sequence[Instances]) -> Tensor:
        """Return the mean over all cells of all annotated proposals.

        Args:
            output: Predictor output with `coarse_segm` `(R, num_channels, S, S)`.
            annotations: The annotations of the proposals.
            proposals: Not used.
        """
        del proposals
        if annotations is None or annotations.coarse_segm is None:
            return output.coarse_segm.sum() * 0
        height, width = output.coarse_segm.shape[2:]
        target = resample_to_boxes(
            annotations.coarse_segm[:, None], annotations.bbox_xywh_gt, annotations.bbox_xywh_est, height, width
        )[:, 0]
        if self.num_channels == 2:
            target = target > 0
        return F.cross_entropy(output.coarse_segm[annotations.region], target.long())


class MaskLoss:
    """Cross-entropy of the instance masks, which do not distinguish body parts."""

    def __call__(self, output: Any, annotations: PackedAnnotations | None, proposals: Sequence[Instances]) -> Tensor:
        """Return the mean over all cells of all proposals with a mask.

        Args:
            output: Predictor output with `coarse_segm` `(R, 2, S, S)`.
            annotations: Not used.
            proposals: Foreground proposals with `proposal_boxes` and `gt_masks`.
        """
        del annotations
        masks = masks_of_regions(proposals, max(output.coarse_segm.shape[2:]))
        if masks is None:
            return output.coarse_segm.sum() * 0
        targets, indices = masks
        return F.cross_entropy(output.coarse_segm[indices], targets.long())
