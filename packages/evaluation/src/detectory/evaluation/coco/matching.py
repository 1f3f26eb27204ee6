"""Detections and objects sorted into groups of one image and one category, the form in which `ops.coco_match` works."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from detectory import ops
from detectory.evaluation.detections import Detections

from .ground_truth import CocoGroundTruth


@dataclass(frozen=True)
class CocoGroups:
    """G groups with D detections and M objects in all, ordered by category, then image, then falling score.

    Args:
        found: (D,) int64, the position of each detection among all detections.
        objects: (M,) int64, the position of each object among the annotations.
        found_starts, object_starts: (G + 1,) int64, where each group starts.
        categories, images: (G,) int64, positions in the category names and in the chosen images.
    """

    found: np.ndarray
    objects: np.ndarray
    found_starts: np.ndarray
    object_starts: np.ndarray
    categories: np.ndarray
    images: np.ndarray

    @property
    def ranks(self) -> np.ndarray:
        """(D,) int64, the place of each detection within its group, the best first."""
        sizes = np.diff(self.found_starts)
        return np.arange(len(self.found)) - np.repeat(self.found_starts[:-1], sizes)

    @property
    def found_categories(self) -> np.ndarray:
        """(D,) int64, the category's position for each detection."""
        return np.repeat(self.categories, np.diff(self.found_starts))

    @property
    def object_categories(self) -> np.ndarray:
        """(M,) int64, the category's position for each object."""
        return np.repeat(self.categories, np.diff(self.object_starts))


@dataclass(frozen=True)
class CocoObjects:
    """The annotations of a ground truth as columns.

    Args:
        image_ids: (M,) objects; categories, crowd, areas: (M,) int64, bool and float64.
        boxes: (M, 4) float64 as (x, y, width, height), or (M, 5) as (centre x, centre y, width, height, degrees).
    """

    image_ids: np.ndarray
    categories: np.ndarray
    crowd: np.ndarray
    areas: np.ndarray
    boxes: np.ndarray

    @classmethod
    def of(cls, truth: CocoGroundTruth) -> "CocoObjects":
        """Read the columns; boxes of four and of five numbers together become five.

        Raises:
            ValueError: where a box has another number of numbers, by the annotation's position.
        """
        entries = truth.dataset["annotations"]
        ids = np.empty(len(entries), dtype=object)
        ids[:] = [entry["image_id"] for entry in entries]
        for position, entry in enumerate(entries):
            if len(entry["bbox"]) not in (4, 5):
                raise ValueError(f"CocoObjects: {truth.name}: annotations[{position}] has the bbox {entry['bbox']}")
        rotated = any(len(entry["bbox"]) == 5 for entry in entries)
        boxes = [rotated_box(entry["bbox"]) if rotated else entry["bbox"] for entry in entries]
        areas = [entry.get("area", entry["bbox"][2] * entry["bbox"][3]) for entry in entries]
        return cls(
            ids,
            np.array([entry["category_id"] for entry in entries], dtype=np.int64),
            np.array([bool(entry.get("iscrowd", 0)) for entry in entries], dtype=bool),
            np.array(areas, dtype=np.float64),
            np.array(boxes, dtype=np.float64).reshape(len(entries), 5 if rotated else 4),
        )


def rotated_box(box: Sequence[float]) -> list[float]:
    """Five numbers as they are; (x, y, width, height) as a box of that centre and no angle."""
    if len(box) == 5:
        return list(box)
    x, y, width, height = box
    return [x + width / 2, y + height / 2, width, height, 0.0]


def group_by_image(
    truth: CocoGroundTruth,
    objects: CocoObjects,
    found: Detections,
    limit: int,
    image_ids: Sequence[Any] | None = None,
    by_category: bool = True,
) -> CocoGroups:
    """Sort detections and objects into groups.

    Args:
        truth: The ground truth; objects: its annotations as columns.
        found: Detections whose categories are those of the ground truth.
        limit: How many detections of a group are kept, those of the highest score; of equals the earlier.
        image_ids: Only these images; None: all.
        by_category: False makes one group of each image, whatever the categories.
    """
    chosen = sorted(truth.image_sizes if image_ids is None else set(image_ids))
    images = {image: position for position, image in enumerate(chosen)}
    categories = {category: position if by_category else 0 for position, category in enumerate(truth.category_names)}

    def keys(ids: np.ndarray, labels: np.ndarray) -> np.ndarray:
        pairs = zip(ids.tolist(), labels.tolist(), strict=True)
        return np.array(
            [categories[c] * len(images) + images[i] if i in images and c in categories else -1 for i, c in pairs],
            dtype=np.int64,
        )

    object_keys, found_keys = keys(objects.image_ids, objects.categories), keys(found.image_ids, found.categories)
    object_order = np.argsort(object_keys, kind="stable")
    object_order = object_order[object_keys[object_order] >= 0]
    found_order = np.lexsort((-found.scores, found_keys))
    found_order = found_order[found_keys[found_order] >= 0]
    sorted_keys = found_keys[found_order]
    rank = np.arange(len(found_order)) - np.searchsorted(sorted_keys, sorted_keys)
    found_order = found_order[rank < limit]
    groups = np.unique(np.concatenate([found_keys[found_order], object_keys[object_order]]))

    def starts(sorted_keys: np.ndarray) -> np.ndarray:
        return np.append(np.searchsorted(sorted_keys, groups), len(sorted_keys))

    return CocoGroups(
        found_order,
        object_order,
        starts(found_keys[found_order]),
        starts(object_keys[object_order]),
        groups // max(len(images), 1),
        groups % max(len(images), 1),
    )


def match_groups(
    groups: CocoGroups,
    overlaps: torch.Tensor,
    iou_thresholds: Sequence[float],
    areas: Sequence[tuple[float, float]],
    found_areas: np.ndarray,
    objects: CocoObjects,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Match the detections of each group to its objects, at T thresholds and in A ranges of area.

    Args:
        groups: The groups.
        overlaps: float64, the (detections, objects) blocks of all groups one after the other.
        iou_thresholds: Of a match.
        areas: (lowest, highest) of each range.
        found_areas: (D,) of the detections, in the groups' order.
        objects: Columns of all annotations.

    Returns:
        Detections' matches (A, T, D) int32 and whether each is ignored (A, T, D) bool; objects' matches (A, T, M)
        int32 and whether each is ignored (A, M) bool.
    """
    crowd, sizes = objects.crowd[groups.objects], objects.areas[groups.objects]
    low, high = np.array(areas, dtype=np.float64).T[:, :, None]
    ignored = crowd | (sizes < low) | (sizes > high)  # (A, M)
    outside = (found_areas < low) | (found_areas > high)  # (A, D)
    found_match, found_ignored, object_match = ops.coco_match(
        overlaps,
        torch.tensor(list(iou_thresholds), dtype=torch.float64),
        torch.from_numpy(groups.found_starts),
        torch.from_numpy(groups.object_starts),
        torch.from_numpy(outside),
        torch.from_numpy(ignored),
        torch.from_numpy(crowd),
    )
    return found_match.numpy(), found_ignored.numpy(), object_match.numpy(), ignored
