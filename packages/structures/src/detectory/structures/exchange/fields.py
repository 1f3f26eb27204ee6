"""Access to boxes, classes and masks of `Instances`, whether they are predictions or ground truth."""

import torch

from detectory.structures import BitMasks, Boxes, Instances, PolygonMasks, RotatedBoxes


def boxes_of(instances: Instances) -> torch.Tensor:
    """Return the boxes, shape (N, 4), or (N, 5) if they are rotated.

    Raises:
        ValueError: If neither `pred_boxes` nor `gt_boxes` exists.
    """
    for name in ("pred_boxes", "gt_boxes"):
        if instances.has(name):
            boxes = instances.get(name)
            return boxes.tensor if isinstance(boxes, (Boxes, RotatedBoxes)) else boxes
    raise ValueError(f"instances must have a field pred_boxes or gt_boxes, got {list(instances.get_fields())}")


def classes_of(instances: Instances) -> torch.Tensor | None:
    """Return the classes, shape (N,), or None if the field does not exist."""
    for name in ("pred_classes", "gt_classes"):
        if instances.has(name):
            return instances.get(name)
    return None


def masks_of(instances: Instances) -> torch.Tensor | None:
    """Return the masks as bool of shape (N, H, W), or None if the field does not exist. Polygons are rasterised."""
    height, width = instances.image_size
    for name in ("pred_masks", "gt_masks"):
        if not instances.has(name):
            continue
        masks = instances.get(name)
        if isinstance(masks, PolygonMasks):
            masks = BitMasks.from_polygon_masks(masks, height, width)
        tensor = masks.tensor if isinstance(masks, BitMasks) else masks
        return tensor if tensor.dtype == torch.bool else tensor > 0.5
    return None
