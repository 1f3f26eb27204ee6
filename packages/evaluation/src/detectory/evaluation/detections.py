"""Detections of many images as columns: compact while they are collected, and COCO's result format when written."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from detectory import ops
from detectory.structures import BoxMode, Instances

from .run_lengths import RunLengths


@dataclass
class Detections:
    """N detections of any number of images.

    Args:
        image_ids: (N,) int64, or objects where a dataset names its images by text.
        categories: (N,) int64.
        scores: (N,) float64.
        boxes: (N, 4) float64 as (x, y, width, height), (N, 5) for rotated ones; None where there are none.
        masks: N masks as one text, or None.
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
        """Take a model's predictions for one image; masks become RLEs at once.

        Args:
            image_id: Of the image, an integer or text.
            instances: With `scores`, `pred_classes` and some of `pred_boxes`, `pred_masks` ((N, H, W), nonzero
                inside), `pred_masks_rle` and `pred_keypoints` ((N, K, 3)).
        """
        count = len(instances)
        ids = np.empty(count, dtype=np.int64 if isinstance(image_id, (int, np.integer)) else object)
        ids[:] = image_id
        keypoints = boxes = None
        if instances.has("pred_boxes"):
            boxes = instances.pred_boxes.tensor.detach().cpu()
            if boxes.shape[1] == 4:
                boxes = BoxMode.convert(boxes, BoxMode.XYXY_ABS, BoxMode.XYWH_ABS)
            # A copy: what a tensor holds lies between the model's freed ones, and would keep that memory in pieces.
            boxes = boxes.double().numpy().copy()
        if instances.has("pred_keypoints"):
            keypoints = instances.pred_keypoints.detach().cpu().double().numpy().copy()
            # COCO counts keypoints from the centre of the first pixel, this library from its corner.
            keypoints[:, :, :2] -= 0.5
        return cls(
            ids,
            _column(instances, "pred_classes", np.int64, count),
            _column(instances, "scores", np.float64, count),
            boxes,
            _masks_of(instances),
            keypoints,
        )

    @classmethod
    def concatenate(cls, parts: Iterable["Detections"]) -> "Detections":
        """Join detections; a column stays only where every part has it. Parts without detections do not count."""
        parts = [part for part in parts if len(part)]
        if not parts:
            empty = np.zeros(0, np.int64)
            return cls(empty, empty, np.zeros(0), np.zeros((0, 4)))

        def joined(name: str) -> np.ndarray | None:
            columns = [getattr(part, name) for part in parts]
            return None if any(column is None for column in columns) else np.concatenate(columns)

        masks = [part.masks for part in parts if part.masks is not None]
        ids, categories, scores = (
            np.concatenate([getattr(p, n) for p in parts]) for n in ("image_ids", "categories", "scores")
        )
        all_masks = RunLengths.concatenate(masks) if len(masks) == len(parts) else None
        return cls(ids, categories, scores, joined("boxes"), all_masks, joined("keypoints"))

    def chosen(self, indices: np.ndarray) -> "Detections":
        """The detections of these positions."""
        boxes = None if self.boxes is None else self.boxes[indices]
        masks = None if self.masks is None else self.masks.chosen(indices)
        keypoints = None if self.keypoints is None else self.keypoints[indices]
        columns = self.image_ids[indices], self.categories[indices], self.scores[indices]
        return Detections(*columns, boxes, masks, keypoints)

    def to_json(self, category_ids: Mapping[int, int] | None = None) -> list[dict[str, Any]]:
        """COCO's result format: one dict a detection.

        Args:
            category_ids: Class id to the id that is written; None writes the classes as they are.
        """
        categories = self.categories.tolist()
        if category_ids is not None:
            categories = [category_ids[category] for category in categories]
        entries = [
            {"image_id": image, "category_id": category, "score": score}
            for image, category, score in zip(self.image_ids.tolist(), categories, self.scores.tolist(), strict=True)
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


def instances_to_coco_json(instances: Instances, img_id: Any) -> list[dict[str, Any]]:
    """Turn a model's predictions for one image into COCO's result format.

    Args:
        instances: As for `Detections.from_instances`.
        img_id: What becomes `image_id`.

    Returns:
        One dict a detection with `image_id`, `category_id` (the contiguous class id), `score` and what there is of
        `bbox`, `segmentation` (RLE, counts as text) and `keypoints`.
    """
    return Detections.from_instances(img_id, instances).to_json()


def _column(instances: Instances, name: str, dtype: type, count: int) -> np.ndarray:
    values = instances.get(name) if instances.has(name) else torch.zeros(count)
    return values.detach().cpu().numpy().astype(dtype)


def _masks_of(instances: Instances) -> RunLengths | None:
    if instances.has("pred_masks_rle"):
        return RunLengths.of(instances.pred_masks_rle)
    if not instances.has("pred_masks"):
        return None
    masks = instances.pred_masks
    encoded: Any = ops.rle_encode(masks.tensor if hasattr(masks, "tensor") else masks)
    return RunLengths.of(encoded)
