"""Comparison of the predictions of two models, image by image."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from detectory.export.agreement import Agreement, ExportDisagreement, Tolerance
from detectory.structures import Boxes, Instances, RotatedBoxes, pairwise_iou, pairwise_iou_rotated
from detectory.structures.model_formats import ModelInput, ModelOutput

MATCHING_IOU = 0.9
"""Minimum IoU of two detections that count as the same object."""


def compare_models(model: nn.Module, exported: nn.Module, inputs: Sequence[ModelInput]) -> Agreement:
    """Run both models on all inputs and return how well their predictions agree."""
    with torch.no_grad():
        originals, others = [model([item])[0] for item in inputs], exported(list(inputs))
    names = [str(item.get("file_name", f"image {number}")) for number, item in enumerate(inputs, start=1)]
    return compare_outputs(originals, others, names)


def compare_outputs(originals: Sequence[ModelOutput], others: Sequence[ModelOutput], names: Sequence[str]) -> Agreement:
    """Return how well the outputs of two models agree.

    Args:
        originals: Outputs of the original model, one per image.
        others: Outputs of the other model for the same images.
        names: Names of the images.
    """
    return _merge([_compare(original, other) for original, other in zip(originals, others, strict=True)], names)


def require_agreement(
    model: nn.Module, exported: nn.Module, inputs: Sequence[ModelInput], tolerance: Tolerance | None
) -> Agreement:
    """Return the agreement of two models, or raise if the tolerance is exceeded.

    Raises:
        ExportDisagreement: If any difference exceeds the tolerance.
    """
    agreement = compare_models(model, exported, inputs)
    tolerance = tolerance or Tolerance()
    if agreement.problems(tolerance):
        raise ExportDisagreement(agreement, tolerance)
    return agreement


def _compare(original: ModelOutput, exported: ModelOutput) -> Agreement:
    """Compare the outputs of two models for one image."""
    labels = 0.0
    if "sem_seg" in original:
        differ = original["sem_seg"].cpu().argmax(dim=0) != exported["sem_seg"].argmax(dim=0)
        labels = differ.float().mean().item()
    if "instances" in original:
        return _compare_instances(original["instances"].to("cpu"), exported["instances"], labels)
    if "proposals" in original:
        return _compare_instances(original["proposals"].to("cpu"), exported["proposals"], labels)
    return Agreement(1, 0, 0, 0, labels=labels)


def _compare_instances(original: Instances, exported: Instances, labels: float) -> Agreement:
    is_detection = original.has("pred_boxes")
    boxes, score = ("pred_boxes", "scores") if is_detection else ("proposal_boxes", "objectness_logits")
    original = _within_image(original, boxes)
    rows, columns = _match(original, exported, boxes)
    first, second = original[rows], exported[columns]
    return Agreement(
        images=1,
        detections=len(original),
        exported_detections=len(exported),
        matched=len(rows),
        boxes=_max_difference(first.get(boxes).tensor, second.get(boxes).tensor),
        scores=_max_difference(first.get(score), second.get(score)),
        masks=_mask_difference(first, second),
        keypoints=_keypoint_distance(first, second),
        labels=labels,
    )


def _within_image(detections: Instances, name: str) -> Instances:
    """Return the detections as an exported model returns them: boxes end at the image, and empty ones are removed."""
    boxes = detections.get(name)
    if not isinstance(boxes, Boxes):
        return detections
    clipped = boxes.clone()
    clipped.clip(detections.image_size)
    fields = detections.get_fields() | {name: clipped}
    return Instances(detections.image_size, **fields)[clipped.nonempty()]


def _match(original: Instances, exported: Instances, boxes: str) -> tuple[Tensor, Tensor]:
    """Greedily pair overlapping detections of the same class; return the indices of both sides."""
    first, second = _on_cpu(original.get(boxes)), _on_cpu(exported.get(boxes))
    overlap = (pairwise_iou_rotated if isinstance(first, RotatedBoxes) else pairwise_iou)(first, second)
    if original.has("pred_classes"):
        overlap = overlap * (original.pred_classes[:, None] == exported.pred_classes)
    pairs = []
    # Detections are sorted by score, so that the best ones choose their counterpart first.
    for row in range(overlap.shape[0]):
        best, column = overlap[row].max(dim=0) if overlap.shape[1] else (torch.tensor(0.0), torch.tensor(0))
        if best > MATCHING_IOU:
            pairs.append((row, int(column)))
            overlap[:, column] = 0
    indices = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2)
    return indices[:, 0], indices[:, 1]


def _on_cpu(boxes: Any) -> Any:
    return boxes.to(torch.device("cpu"))


def _max_difference(first: Tensor, second: Tensor) -> float:
    return (first - second).abs().max().item() if first.numel() else 0.0


def _mask_difference(first: Instances, second: Instances) -> float:
    if not first.has("pred_masks") or len(first) == 0:
        return 0.0
    masks, others = first.pred_masks.flatten(1), second.pred_masks.flatten(1)
    # Over all masks of the image: one pixel is a large fraction of a tiny mask.
    return ((masks ^ others).sum() / (masks | others).sum().clamp(min=1)).item()


def _keypoint_distance(first: Instances, second: Instances) -> float:
    """Return the 99th percentile of the distances: the peak of a flat heatmap may jump."""
    if not first.has("pred_keypoints") or len(first) == 0:
        return 0.0
    distances = (first.pred_keypoints - second.pred_keypoints)[..., :2].norm(dim=2)
    return distances.flatten().quantile(0.99).item()


def _merge(parts: Sequence[Agreement], names: Sequence[str]) -> Agreement:
    """Sum the counts, take the maximum of the differences, and name the image of each maximum."""
    counts = ("images", "detections", "exported_detections", "matched")
    differences = ("boxes", "scores", "masks", "keypoints", "labels", "unmatched")
    values = {name: [getattr(part, name) for part in parts] for name in differences}
    worst = {name: _index_of_largest(value) for name, value in values.items()}
    return Agreement(
        **{name: sum(getattr(part, name) for part in parts) for name in counts},
        **{name: values[name][index] for name, index in worst.items() if name != "unmatched"},
        worst={name: names[index] for name, index in worst.items()},
    )


def _index_of_largest(values: Sequence[float]) -> int:
    """Return the index of the largest value; NaN is larger than any number."""
    return max(range(len(values)), key=lambda index: math.inf if math.isnan(values[index]) else values[index])
