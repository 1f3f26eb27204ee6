"""Overlapping pairs of boxes in two frames."""

from typing import Any

import torch

from detectory.structures import Instances


def create_prediction_pairs(
    instances: Instances, prev_instances: Instances, iou_all: torch.Tensor, threshold: float = 0.5
) -> list[dict[str, Any]]:
    """Return the overlapping pairs of objects of two frames, in index order.

    Args:
        instances: `N` detections of the current frame.
        prev_instances: `M` objects of the previous frame, with `ID` and `ID_period`.
        iou_all: Pairwise IoU, `(N, M)`.
        threshold: Pairs must have a larger IoU.

    Returns:
        Dictionaries with the indices `idx` and `prev_idx`, the `prev_id` and `prev_period` of the previous object, and
        the `IoU`.
    """
    overlaps = torch.as_tensor(iou_all)
    if overlaps.shape != (len(instances), len(prev_instances)):
        raise ValueError(
            f"create_prediction_pairs: iou_all must have shape {len(instances), len(prev_instances)},"
            f" got {tuple(overlaps.shape)}"
        )
    return [
        {
            "idx": i,
            "prev_idx": j,
            "prev_id": prev_instances.ID[j],
            "IoU": float(overlaps[i, j]),
            "prev_period": prev_instances.ID_period[j],
        }
        for i, j in (overlaps > threshold).nonzero().tolist()
    ]
