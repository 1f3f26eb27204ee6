"""Detections of many images as columns, and their conversion to COCO results."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import torch

from detectory import ops
from detectory.structures import BoxMode, Instances
from detectory.structures.records import RLE

from .run_lengths import RunLengths


class _RequiredResult(TypedDict):
    image_id: Any
    """The id of the image, an integer or a string."""
    category_id: int
    """The category id of the dataset, or the contiguous class id before conversion."""
    score: float
    """The confidence in [0, 1]."""


class CocoResult(_RequiredResult, total=False):
    """One detection in COCO's results format."""

    bbox: list[float]
    """`[x, y, width, height]` in pixels, or `[centre x, centre y, width, height, degrees]` if rotated."""
    segmentation: RLE
    """The mask, with counts as text."""
    keypoints: list[float]
    """`[x1, y1, score1, …]`; integer coordinates are pixel centres."""


@dataclass
class Detections:
    """N detections of any number of images.

    Args:
        image_ids: (N,) int64, or objects if the dataset has string image ids.
        categories: (N,) int64.
        scores: (N,) float64.
        boxes: (N, 4) float64 as (x, y, width, height), (N, 5) for rotated boxes, or None.
        masks: N masks, or None.
        keypoints: (N, K, 3) float64 in COCO's coordinates (integers are pixel centres), or None.
    """

    image_ids: np.ndarray
    categories: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray | None = None
    masks: RunLengths | None = None
    keypoints: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.scores)

    @classmethod
    def from_instances(cls, image_id: Any, instances: Instances) -> "Detections":
        """Convert the predictions for one image; masks become RLEs.

        Args:
            image_id: Id of the image, an integer or a string.
            instances: Predictions with `scores`, `pred_classes` and any of `pred_boxes`, `pred_masks` ((N, H, W),
                nonzero inside), `pred_masks_rle` and `pred_keypoints` ((N, K, 3)).
        """
        count = len(instances)
        image_ids = np.empty(count, dtype=np.int64 if isinstance(image_id, (int, np.integer)) else object)
        image_ids[:] = image_id
        return cls(
            image_ids,
            categories=_column(instances, "pred_classes", np.int64),
            scores=_column(instances, "scores", np.float64),
            boxes=_boxes(instances),
            masks=_masks(instances),
            keypoints=_keypoints(instances),
        )

    @classmethod
    def concatenate(cls, parts: Iterable["Detections"]) -> "Detections":
        """Concatenate detections. Optional columns are kept if every part with detections has them."""
        parts = [part for part in parts if len(part)]
        if not parts:
            empty = np.zeros(0, np.int64)
            return cls(empty, empty, np.zeros(0), np.zeros((0, 4)))

        def joined(name: str) -> np.ndarray | None:
            columns = [getattr(part, name) for part in parts]
            return None if any(column is None for column in columns) else np.concatenate(columns)

        masks = [part.masks for part in parts if part.masks is not None]
        return cls(
            image_ids=np.concatenate([part.image_ids for part in parts]),
            categories=np.concatenate([part.categories for part in parts]),
            scores=np.concatenate([part.scores for part in parts]),
            boxes=joined("boxes"),
            masks=RunLengths.concatenate(masks) if len(masks) == len(parts) else None,
            keypoints=joined("keypoints"),
        )

    def select(self, indices: np.ndarray) -> "Detections":
        """Return the detections at these indices."""
        return Detections(
            self.image_ids[indices],
            self.categories[indices],
            self.scores[indices],
            boxes=None if self.boxes is None else self.boxes[indices],
            masks=None if self.masks is None else self.masks.select(indices),
            keypoints=None if self.keypoints is None else self.keypoints[indices],
        )

    def to_json(self, category_ids: Mapping[int, int] | None = None) -> list[CocoResult]:
        """Return COCO results: one dict per detection.

        Args:
            category_ids: Class id to the category id to write. None: write the class ids unchanged.
        """
        categories = self.categories.tolist()
        if category_ids is not None:
            categories = [category_ids[category] for category in categories]
        entries: list[CocoResult] = [
            {"image_id": image_id, "category_id": category, "score": score}
            for image_id, category, score in zip(self.image_ids.tolist(), categories, self.scores.tolist(), strict=True)
        ]
        if self.boxes is not None:
            for entry, box in zip(entries, self.boxes.tolist(), strict=True):
                entry["bbox"] = box
        if self.masks is not None:
            for entry, mask in zip(entries, self.masks, strict=True):
                entry["segmentation"] = {"size": list(mask["size"]), "counts": mask["counts"].decode("ascii")}
        if self.keypoints is not None:
            flat = self.keypoints.reshape(len(self), 3 * self.keypoints.shape[1])
            for entry, points in zip(entries, flat.tolist(), strict=True):
                entry["keypoints"] = points
        return entries


def instances_to_coco_json(instances: Instances, img_id: Any) -> list[CocoResult]:
    """Convert the predictions for one image to COCO results.

    Args:
        instances: Predictions as for `Detections.from_instances`.
        img_id: Value of `image_id`.

    Returns:
        One dict per detection with `image_id`, `category_id` (the contiguous class id), `score` and, if predicted,
        `bbox`, `segmentation` (an RLE with text counts) and `keypoints`.
    """
    return Detections.from_instances(img_id, instances).to_json()


def _column(instances: Instances, name: str, dtype: type) -> np.ndarray:
    values = instances.get(name) if instances.has(name) else torch.zeros(len(instances))
    return values.detach().cpu().numpy().astype(dtype)


def _boxes(instances: Instances) -> np.ndarray | None:
    if not instances.has("pred_boxes"):
        return None
    boxes = instances.pred_boxes.tensor.detach().cpu()
    if boxes.shape[1] == 4:
        boxes = BoxMode.convert(boxes, BoxMode.XYXY_ABS, BoxMode.XYWH_ABS)
    # A copy, because small tensors kept alive among the freed ones of the model would fragment torch's memory.
    return boxes.double().numpy().copy()


def _keypoints(instances: Instances) -> np.ndarray | None:
    if not instances.has("pred_keypoints"):
        return None
    keypoints = instances.pred_keypoints.detach().cpu().double().numpy().copy()
    # The origin is the centre of the first pixel in COCO, and its corner in this library.
    keypoints[:, :, :2] -= 0.5
    return keypoints


def _masks(instances: Instances) -> RunLengths | None:
    if instances.has("pred_masks_rle"):
        return RunLengths.from_rles(instances.pred_masks_rle)
    if not instances.has("pred_masks"):
        return None
    masks = instances.pred_masks
    rles: Any = ops.rle_encode(masks.tensor if hasattr(masks, "tensor") else masks)
    return RunLengths.from_rles(rles)
