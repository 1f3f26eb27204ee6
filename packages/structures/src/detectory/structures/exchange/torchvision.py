"""Conversion to and from the target and prediction dictionaries of torchvision's detectors."""

from collections.abc import Mapping

import torch

from detectory.structures import Boxes, Instances

from .fields import boxes_of, classes_of, masks_of


def to_torchvision(instances: Instances, first_label: int = 1) -> dict[str, torch.Tensor]:
    """Return the objects of one image in the format of torchvision's detectors.

    Args:
        instances: Predictions or ground truth with boxes and optionally classes, `scores`, masks and keypoints.
        first_label: The label of class 0. The default is 1, because torchvision's detectors reserve label 0 for the
            background.

    Returns:
        `boxes` (N, 4) float and, if the fields exist, `labels` (N,) int64, `scores` (N,), `masks` (N, 1, H, W) float in
        {0, 1} and `keypoints` (N, K, 3).

    Raises:
        ValueError: If the field with boxes is missing, or the boxes are rotated.
    """
    boxes = boxes_of(instances)
    if boxes.shape[-1] != 4:
        raise ValueError("to_torchvision: boxes must be axis-aligned, got rotated boxes")
    result = {"boxes": boxes.float()}
    classes = classes_of(instances)
    if classes is not None:
        result["labels"] = classes.long() + first_label
    if instances.has("scores"):
        result["scores"] = instances.scores.float()
    masks = masks_of(instances)
    if masks is not None:
        result["masks"] = masks[:, None].float()
    for name in ("pred_keypoints", "gt_keypoints"):
        if instances.has(name):
            points = instances.get(name)
            result["keypoints"] = getattr(points, "tensor", points).float()
    return result


def from_torchvision(
    outputs: Mapping[str, torch.Tensor], image_size: tuple[int, int], first_label: int = 1
) -> Instances:
    """Return the output of a torchvision detector for one image as predictions.

    Args:
        outputs: `boxes` and optionally `labels`, `scores`, `masks` of shape (N, 1, H, W) or (N, H, W), which are
            thresholded at 0.5, and `keypoints`.
        image_size: `(height, width)` of the image.
        first_label: The label that becomes class 0.
    """
    instances = Instances(image_size, pred_boxes=Boxes(outputs["boxes"]))
    if "labels" in outputs:
        instances.pred_classes = outputs["labels"].long() - first_label
    if "scores" in outputs:
        instances.scores = outputs["scores"]
    if "masks" in outputs:
        masks = outputs["masks"]
        masks = masks[:, 0] if masks.dim() == 4 else masks
        instances.pred_masks = masks if masks.dtype == torch.bool else masks >= 0.5
    if "keypoints" in outputs:
        instances.pred_keypoints = outputs["keypoints"]
    return instances
