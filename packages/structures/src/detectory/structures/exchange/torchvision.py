"""Torchvision's dictionaries: what its detectors take as targets and give as predictions."""

from collections.abc import Mapping

import torch

from detectory.structures import Boxes, Instances

from .fields import boxes_of, classes_of, masks_of


def to_torchvision(instances: Instances, first_label: int = 1) -> dict[str, torch.Tensor]:
    """Return one image's objects as torchvision's detectors write them.

    Args:
        instances: With `pred_boxes` or `gt_boxes`, and as far as they are there classes, `scores`, masks and
            `pred_keypoints` or `gt_keypoints`.
        first_label: The label of class 0; torchvision's detectors keep label 0 for the background.

    Returns:
        `boxes` (N, 4) float, `labels` (N,) int64, and as far as they are known `scores` (N,), `masks` (N, 1, H, W)
        float in {0, 1} and `keypoints` (N, K, 3).

    Raises:
        ValueError: there are no boxes, or rotated ones, which torchvision's detectors do not know.
    """
    boxes = boxes_of(instances)
    if boxes.shape[-1] != 4:
        raise ValueError("to_torchvision: torchvision's detectors know no rotated boxes")
    found = {"boxes": boxes.float()}
    classes = classes_of(instances)
    if classes is not None:
        found["labels"] = classes.long() + first_label
    if instances.has("scores"):
        found["scores"] = instances.scores.float()
    masks = masks_of(instances)
    if masks is not None:
        found["masks"] = masks[:, None].float()
    for name in ("pred_keypoints", "gt_keypoints"):
        if instances.has(name):
            points = instances.get(name)
            found["keypoints"] = getattr(points, "tensor", points).float()
    return found


def from_torchvision(
    outputs: Mapping[str, torch.Tensor], image_size: tuple[int, int], first_label: int = 1
) -> Instances:
    """Return the predictions of one of torchvision's detectors for one image.

    Args:
        outputs: `boxes`, `labels` and as far as they are there `scores`, `masks` ((N, 1, H, W) or (N, H, W), inside
            from 0.5 on) and `keypoints`.
        image_size: `(height, width)`.
        first_label: The label that becomes class 0.
    """
    found = Instances(image_size, pred_boxes=Boxes(outputs["boxes"]))
    if "labels" in outputs:
        found.pred_classes = outputs["labels"].long() - first_label
    if "scores" in outputs:
        found.scores = outputs["scores"]
    if "masks" in outputs:
        masks = outputs["masks"]
        masks = masks[:, 0] if masks.dim() == 4 else masks
        found.pred_masks = masks if masks.dtype == torch.bool else masks >= 0.5
    if "keypoints" in outputs:
        found.pred_keypoints = outputs["keypoints"]
    return found
