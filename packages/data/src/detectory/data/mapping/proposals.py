"""Precomputed object proposals, as Fast R-CNN uses them."""

from typing import Any

import numpy as np
import torch

from detectory.data.transforms import TransformList
from detectory.structures import Boxes, BoxMode, Instances


def transform_proposals(
    dataset_dict: dict[str, Any],
    image_shape: tuple[int, int],
    transforms: TransformList,
    *,
    proposal_topk: int,
    min_box_size: float = 0,
) -> None:
    """Replace a record's proposals by transformed ones, in place.

    Args:
        dataset_dict: May have `proposal_boxes`, `proposal_objectness_logits` and `proposal_bbox_mode`; these are
            taken out and `proposals` is put in: Instances with `proposal_boxes` and `objectness_logits`.
        image_shape: `(height, width)` of the transformed image.
        transforms: What was applied to the image.
        proposal_topk: How many of the best proposals are kept.
        min_box_size: Proposals whose width or height is at most this many pixels are left out.

    Raises:
        ValueError: A box is not finite, or there are more or fewer logits than boxes.
    """
    if "proposal_boxes" not in dataset_dict:
        return
    raw = np.asarray(dataset_dict.pop("proposal_boxes"), dtype=np.float32).reshape(-1, 4)
    scores = np.asarray(dataset_dict.pop("proposal_objectness_logits"), dtype=np.float32)
    if scores.shape != (len(raw),) or not np.isfinite(raw).all():
        place = dataset_dict.get("file_name", "a record without file_name")
        raise ValueError(
            f"transform_proposals: {place}: expected finite boxes and as many logits, "
            f"got {len(raw)} boxes and logits of shape {scores.shape}"
        )
    mode = dataset_dict.pop("proposal_bbox_mode", BoxMode.XYXY_ABS)
    moved = transforms.apply_box(BoxMode.convert(raw, mode, BoxMode.XYXY_ABS)).astype(np.float32)
    boxes = Boxes(torch.from_numpy(moved))
    logits = torch.from_numpy(scores)
    boxes.clip(image_shape)
    kept = boxes.nonempty(threshold=min_box_size)
    proposals = Instances(image_shape)
    proposals.proposal_boxes = boxes[kept][:proposal_topk]
    proposals.objectness_logits = logits[kept][:proposal_topk]
    dataset_dict["proposals"] = proposals
