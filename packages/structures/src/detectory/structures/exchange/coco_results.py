"""COCO's result format: one dictionary a detection."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from detectory import ops
from detectory.structures import Boxes, BoxMode, Instances, RotatedBoxes


def from_coco_results(
    entries: Sequence[Mapping[str, Any]],
    image_size: tuple[int, int],
    category_ids: Sequence[int] | None = None,
) -> Instances:
    """Return the entries of one image as predictions; `detectory.evaluation.instances_to_coco_json` is the way back.

    Args:
        entries: With `category_id`, and all of them with the same of `score`, `bbox` (x, y, width, height, or five
            numbers of a rotated box), `segmentation` (RLE) and `keypoints`.
        image_size: `(height, width)`.
        category_ids: The category id of each class; None: ids are classes.

    Returns:
        `pred_classes`, and what the entries hold of `scores`, `pred_boxes`, `pred_masks` (N, H, W) bool and
        `pred_keypoints` (N, K, 3). Without entries: boxes, scores and classes of length 0.

    Raises:
        ValueError: a category id is not among `category_ids`, or entries differ in what they hold.
    """
    found = Instances(image_size)
    fields = set(entries[0]) if entries else {"score", "bbox"}
    for index, entry in enumerate(entries):
        if set(entry) != fields:
            raise ValueError(f"from_coco_results: entry {index} has {sorted(entry)}, the first has {sorted(fields)}")
    found.pred_classes = torch.tensor([_class_of(entry, category_ids) for entry in entries], dtype=torch.int64)
    if "score" in fields:
        found.scores = torch.tensor([float(entry["score"]) for entry in entries])
    if "bbox" in fields:
        boxes = torch.tensor([list(entry["bbox"]) for entry in entries], dtype=torch.float32)
        if boxes.shape[-1] == 5:
            found.pred_boxes = RotatedBoxes(boxes)
        else:
            found.pred_boxes = Boxes(BoxMode.convert(boxes.reshape(-1, 4), BoxMode.XYWH_ABS, BoxMode.XYXY_ABS))
    if "segmentation" in fields:
        found.pred_masks = ops.rle_decode([entry["segmentation"] for entry in entries]).bool()
    if "keypoints" in fields:
        points = torch.tensor([list(entry["keypoints"]) for entry in entries], dtype=torch.float32)
        found.pred_keypoints = points.reshape(len(entries), -1, 3) + torch.tensor([0.5, 0.5, 0.0])
    return found


def _class_of(entry: Mapping[str, Any], category_ids: Sequence[int] | None) -> int:
    category = int(entry["category_id"])
    if category_ids is None:
        return category
    if category not in category_ids:
        raise ValueError(f"from_coco_results: category_id {category} is not among {list(category_ids)[:20]}")
    return list(category_ids).index(category)
