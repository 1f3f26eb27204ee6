"""The fields that every format shares, whether they are predictions or ground truth."""

import torch

from detectory.structures import BitMasks, Boxes, Instances, PolygonMasks, RotatedBoxes


def boxes_of(instances: Instances) -> torch.Tensor:
    """Return the boxes, (N, 4), or (N, 5) for rotated ones.

    Raises:
        ValueError: there are neither `pred_boxes` nor `gt_boxes`.
    """
    for name in ("pred_boxes", "gt_boxes"):
        if instances.has(name):
            boxes = instances.get(name)
            return boxes.tensor if isinstance(boxes, (Boxes, RotatedBoxes)) else boxes
    raise ValueError(f"expected a field pred_boxes or gt_boxes, there are {list(instances.get_fields())}")


def classes_of(instances: Instances) -> torch.Tensor | None:
    """Return the classes (N,), None where there are none."""
    for name in ("pred_classes", "gt_classes"):
        if instances.has(name):
            return instances.get(name)
    return None


def masks_of(instances: Instances) -> torch.Tensor | None:
    """Return the masks (N, H, W) bool, None where there are none; polygons are rasterised."""
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
