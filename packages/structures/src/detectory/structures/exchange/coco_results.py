"""COCO's result format: one dictionary per detection."""

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
    """Return the results of one image as predictions, the inverse of `detectory.evaluation.instances_to_coco_json`.

    Args:
        entries: Dicts with `category_id` and optionally `score`, `bbox` (x, y, width, height; five numbers if rotated),
            `segmentation` (RLE) and `keypoints`. All entries must have the same keys.
        image_size: `(height, width)` of the image.
        category_ids: The category id of each class; if None, category ids are used as classes.

    Returns:
        `pred_classes` (N,) int64 and, for the keys of the entries, `scores` (N,), `pred_boxes`, `pred_masks` (N, H, W)
        bool and `pred_keypoints` (N, K, 3). An empty list returns boxes, scores and classes of length 0.

    Raises:
        ValueError: If a category id is not in `category_ids`, or the keys of the entries differ.
    """
    instances = Instances(image_size)
    keys = set(entries[0]) if entries else {"score", "bbox"}
    for index, entry in enumerate(entries):
        if set(entry) != keys:
            raise ValueError(
                f"from_coco_results: entries must have the same keys, got {sorted(keys)} in entry 0 "
                f"and {sorted(entry)} in entry {index}"
            )
    instances.pred_classes = torch.tensor([_class_of(entry, category_ids) for entry in entries], dtype=torch.int64)
    if "score" in keys:
        instances.scores = torch.tensor([float(entry["score"]) for entry in entries])
    if "bbox" in keys:
        boxes = torch.tensor([list(entry["bbox"]) for entry in entries], dtype=torch.float32)
        if boxes.shape[-1] == 5:
            instances.pred_boxes = RotatedBoxes(boxes)
        else:
            instances.pred_boxes = Boxes(BoxMode.convert(boxes.reshape(-1, 4), BoxMode.XYWH_ABS, BoxMode.XYXY_ABS))
    if "segmentation" in keys:
        instances.pred_masks = ops.rle_decode([entry["segmentation"] for entry in entries]).bool()
    if "keypoints" in keys:
        points = torch.tensor([list(entry["keypoints"]) for entry in entries], dtype=torch.float32)
        # COCO stores pixel indices; add 0.5 for continuous coordinates.
        instances.pred_keypoints = points.reshape(len(entries), -1, 3) + torch.tensor([0.5, 0.5, 0.0])
    return instances


def _class_of(entry: Mapping[str, Any], category_ids: Sequence[int] | None) -> int:
    category = int(entry["category_id"])
    if category_ids is None:
        return category
    if category not in category_ids:
        raise ValueError(f"from_coco_results: category_id {category} is not in category_ids {list(category_ids)[:20]}")
    return list(category_ids).index(category)
