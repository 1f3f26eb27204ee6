"""Precomputed proposals for Fast R-CNN."""

from typing import Any

import numpy as np
import torch

from detectory.data.transforms import TransformList
from detectory.structures import Boxes, BoxMode, Instances


def transform_proposals(
    dataset_dict: Any,
    image_shape: tuple[int, int],
    transforms: TransformList,
    *,
    proposal_topk: int,
    min_box_size: float = 0,
) -> None:
    """Replace the precomputed proposals of a record with transformed `proposals`, in place.

    Args:
        dataset_dict: A `DatasetRecord`. The keys `proposal_boxes`, `proposal_objectness_logits` and
            `proposal_bbox_mode`, if present, are replaced with `proposals`: `Instances` with `proposal_boxes` and
            `objectness_logits`.
        image_shape: `(height, width)` of the transformed image.
        transforms: The transforms that were applied to the image.
        proposal_topk: The number of proposals to keep. Proposals must be sorted by decreasing score.
        min_box_size: Proposals are removed if a side is not longer than this, in pixels.

    Raises:
        ValueError: If a box is not finite, or the number of logits differs from the number of boxes.
    """
    if "proposal_boxes" not in dataset_dict:
        return
    raw = np.asarray(dataset_dict.pop("proposal_boxes"), dtype=np.float32).reshape(-1, 4)
    scores = np.asarray(dataset_dict.pop("proposal_objectness_logits"), dtype=np.float32)
    if scores.shape != (len(raw),) or not np.isfinite(raw).all():
        name = dataset_dict.get("file_name", "a record without file_name")
        raise ValueError(
            f"transform_proposals: {name}: boxes must be finite and have one logit each, "
            f"got {len(raw)} boxes and logits of shape {scores.shape}"
        )
    mode = dataset_dict.pop("proposal_bbox_mode", BoxMode.XYXY_ABS)
    transformed = transforms.apply_box(BoxMode.convert(raw, mode, BoxMode.XYXY_ABS)).astype(np.float32)
    boxes = Boxes(torch.from_numpy(transformed))
    logits = torch.from_numpy(scores)
    boxes.clip(image_shape)
    kept = boxes.nonempty(threshold=min_box_size)
    proposals = Instances(image_shape)
    proposals.proposal_boxes = boxes[kept][:proposal_topk]
    proposals.objectness_logits = logits[kept][:proposal_topk]
    dataset_dict["proposals"] = proposals
