"""Which boxes of two frames overlap."""

from typing import Any

import torch

from detectory.structures import Instances


def create_prediction_pairs(
    instances: Instances, prev_instances: Instances, iou_all: torch.Tensor, threshold: float = 0.5
) -> list[dict[str, Any]]:
    """Return the pairs of objects of two frames that overlap enough, in the order of their indices.

    Args:
        instances: `N` detections of a frame.
        prev_instances: `M` objects of the frame before, with `ID` and `ID_period`.
        iou_all: Their overlaps, `(N, M)`.
        threshold: Overlaps must be larger.

    Returns:
        Dictionaries with `idx` and `prev_idx`, the indices; `prev_id` and `prev_period` of the object before;
        and `IoU`.
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
