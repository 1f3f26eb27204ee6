"""Does an exported model give what the original gives?"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from detectory.structures import Boxes, Instances, pairwise_iou


@dataclass(frozen=True)
class Tolerance:
    """How far an exported model may differ from the original.

    Args:
        boxes: Pixels, any coordinate of a detection.
        scores: Of a detection, absolute.
        masks: Share of the pixels of an image's instance masks that differ.
        keypoints: Pixels, 99 of 100 keypoints.
        labels: Share of an image's pixels whose semantic class differs.
        unmatched: Share of all detections without a partner in the other model. Rounding decides ties: which of two
            equally good boxes suppresses the other, and who is the hundredth of a hundred.
    """

    boxes: float = 0.5
    scores: float = 0.01
    masks: float = 0.02
    keypoints: float = 1.0
    labels: float = 0.001
    unmatched: float = 0.02


@dataclass(frozen=True)
class Agreement:
    """What a comparison found; differences are the largest over all images.

    Args:
        images: Compared.
        detections: Of the original model.
        exported_detections: Of the exported one.
        matched: Pairs of the same class that overlap.
        boxes: Largest difference of a coordinate, pixels.
        scores: Largest difference of a score.
        masks: Largest share of the pixels of an image's instance masks that differ.
        keypoints: 99th percentile of the distance between keypoints, pixels.
        labels: Largest share of an image's pixels whose semantic class differs.
    """

    images: int
    detections: int
    exported_detections: int
    matched: int
    boxes: float = 0.0
    scores: float = 0.0
    masks: float = 0.0
    keypoints: float = 0.0
    labels: float = 0.0

    @property
    def unmatched(self) -> float:
        """Share of all detections that have no partner."""
        everything = self.detections + self.exported_detections
        return 1 - 2 * self.matched / everything if everything else 0.0

    def faults(self, tolerance: Tolerance) -> list[str]:
        """Return what exceeds the tolerance, in words."""
        names = ("unmatched", "boxes", "scores", "masks", "keypoints", "labels")
        measured = {name: (getattr(self, name), getattr(tolerance, name)) for name in names}
        return [f"{name}: {got:.4g}, allowed {limit:g}" for name, (got, limit) in measured.items() if not got <= limit]

    def __str__(self) -> str:
        return (
            f"{self.images} images, {self.detections} detections, {self.exported_detections} exported, "
            f"{self.matched} matched; largest differences: boxes {self.boxes:.2g} px, scores {self.scores:.2g}, "
            f"masks {self.masks:.2%}, keypoints {self.keypoints:.2g} px, labels {self.labels:.2%}"
        )


class ExportDisagreement(RuntimeError):
    """An exported model does not give what the original gives.

    Attributes:
        agreement: What the comparison found.
    """

    def __init__(self, agreement: Agreement, tolerance: Tolerance) -> None:
        super().__init__(
            f"the exported model does not agree with the original ({'; '.join(agreement.faults(tolerance))}); "
            f"nothing was written. Compared: {agreement}"
        )
        self.agreement = agreement


def verify(
    model: nn.Module, exported: nn.Module | str | os.PathLike[str], inputs: Sequence[dict[str, Any]]
) -> Agreement:
    """Compare an exported model with the original.

    Args:
        model: The original, in evaluation mode.
        exported: A file, or what `load` made of it: anything with the interface of the model.
        inputs: The model's inputs, for real images.

    Returns:
        What was found; `faults(Tolerance())` of it says whether that is much.

    Raises:
        ValueError: when there is no input.
    """
    if not inputs:
        raise ValueError("verify: inputs must hold at least one image, got none")
    if not isinstance(exported, nn.Module):
        from .loading import load

        exported = load(exported).model
    with torch.no_grad():
        pairs = [(model([item])[0], exported([item])[0]) for item in inputs]
    return _merge([_compare(ours, theirs) for ours, theirs in pairs])


def require_agreement(
    model: nn.Module, exported: nn.Module, inputs: Sequence[dict[str, Any]], tolerance: Tolerance | None
) -> Agreement:
    """Return what `verify` finds.

    Raises:
        ExportDisagreement: when that exceeds the tolerance.
    """
    agreement = verify(model, exported, inputs)
    tolerance = tolerance or Tolerance()
    if agreement.faults(tolerance):
        raise ExportDisagreement(agreement, tolerance)
    return agreement


def _compare(ours: dict[str, Any], theirs: dict[str, Any]) -> Agreement:
    """Compare the outputs of two models for one image."""
    labels = 0.0
    if "sem_seg" in ours:
        differ = ours["sem_seg"].cpu().argmax(dim=0) != theirs["sem_seg"].argmax(dim=0)
        labels = differ.float().mean().item()
    kind = next((kind for kind in ("instances", "proposals") if kind in ours), None)
    if kind is None:
        return Agreement(1, 0, 0, 0, labels=labels)
    return _compare_instances(ours[kind].to("cpu"), theirs[kind], labels)


def _compare_instances(ours: Instances, theirs: Instances, labels: float) -> Agreement:
    name, score = ("pred_boxes", "scores") if ours.has("pred_boxes") else ("proposal_boxes", "objectness_logits")
    rows, columns = _match(ours, theirs, name)
    ours_matched, theirs_matched = ours[rows], theirs[columns]
    return Agreement(
        images=1,
        detections=len(ours),
        exported_detections=len(theirs),
        matched=len(rows),
        boxes=_largest(ours_matched.get(name).tensor - theirs_matched.get(name).tensor),
        scores=_largest(ours_matched.get(score) - theirs_matched.get(score)),
        masks=_mask_difference(ours_matched, theirs_matched),
        keypoints=_keypoint_distance(ours_matched, theirs_matched),
        labels=labels,
    )


def _match(ours: Instances, theirs: Instances, boxes: str) -> tuple[Tensor, Tensor]:
    """Pair detections of one class that overlap, the best first; return the rows and columns of the pairs."""
    overlap = pairwise_iou(_on_cpu(ours.get(boxes)), _on_cpu(theirs.get(boxes)))
    if ours.has("pred_classes"):
        overlap = overlap * (ours.pred_classes[:, None] == theirs.pred_classes)
    pairs = []
    # Our detections come best first, so that each takes its nearest before a lesser one can.
    for row in range(overlap.shape[0]):
        best, column = overlap[row].max(dim=0) if overlap.shape[1] else (torch.tensor(0.0), torch.tensor(0))
        if best > 0.9:
            pairs.append((row, int(column)))
            overlap[:, column] = 0
    index = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2)
    return index[:, 0], index[:, 1]


def _on_cpu(boxes: Boxes) -> Boxes:
    return boxes.to(torch.device("cpu"))


def _largest(difference: Tensor) -> float:
    return difference.abs().max().item() if difference.numel() else 0.0


def _mask_difference(ours: Instances, theirs: Instances) -> float:
    if not ours.has("pred_masks") or len(ours) == 0:
        return 0.0
    first, second = ours.pred_masks.flatten(1), theirs.pred_masks.flatten(1)
    # All masks of an image together: a single pixel is a large share of a tiny mask.
    return ((first ^ second).sum() / (first | second).sum().clamp(min=1)).item()


def _keypoint_distance(ours: Instances, theirs: Instances) -> float:
    """Return the 99th percentile: the peak of a flat heatmap may jump."""
    if not ours.has("pred_keypoints") or len(ours) == 0:
        return 0.0
    moved = (ours.pred_keypoints - theirs.pred_keypoints)[..., :2].norm(dim=2)
    return moved.flatten().quantile(0.99).item()


def _merge(parts: Sequence[Agreement]) -> Agreement:
    counts = ("images", "detections", "exported_detections", "matched")
    differences = ("boxes", "scores", "masks", "keypoints", "labels")
    return Agreement(
        **{name: sum(getattr(part, name) for part in parts) for name in counts},
        **{name: max(getattr(part, name) for part in parts) for name in differences},
    )
