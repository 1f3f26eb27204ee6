"""Matching of detections to ground-truth objects by COCO's rules, in groups of one image and one category.

All groups are matched in one call of `ops.coco_match`, so detections and objects are stored as flat arrays sorted by
group, with the offset at which each group starts, instead of as one array per group.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from detectory import ops
from detectory.evaluation.detections import Detections

from .ground_truth import CocoGroundTruth


@dataclass(frozen=True)
class CocoObjects:
    """The M annotations of a ground truth as columns.

    Args:
        image_ids: (M,) objects.
        categories: (M,) int64.
        crowd: (M,) bool.
        areas: (M,) float64 in square pixels.
        boxes: (M, 4) float64 as (x, y, width, height), or (M, 5) as (centre x, centre y, width, height, degrees).
    """

    image_ids: np.ndarray
    categories: np.ndarray
    crowd: np.ndarray
    areas: np.ndarray
    boxes: np.ndarray

    @classmethod
    def from_ground_truth(cls, ground_truth: CocoGroundTruth) -> "CocoObjects":
        """Read the columns. If any box is rotated, upright boxes become rotated boxes with angle 0.

        Raises:
            ValueError: If a box has neither four nor five values. The message names the annotation's index.
        """
        entries = ground_truth.dataset["annotations"]
        image_ids = np.empty(len(entries), dtype=object)
        image_ids[:] = [entry["image_id"] for entry in entries]
        for index, entry in enumerate(entries):
            if len(entry["bbox"]) not in (4, 5):
                count = len(entry["bbox"])
                name = f"{ground_truth.name}: annotations[{index}]"
                raise ValueError(f"CocoObjects: {name}: field 'bbox' has {count} values, expected 4 or 5")
        is_rotated = any(len(entry["bbox"]) == 5 for entry in entries)
        boxes = [rotated_box(entry["bbox"]) if is_rotated else entry["bbox"] for entry in entries]
        stored_areas = [entry.get("area") for entry in entries]
        areas = [
            entry["bbox"][2] * entry["bbox"][3] if area is None else area
            for area, entry in zip(stored_areas, entries, strict=True)
        ]
        return cls(
            image_ids,
            categories=np.array([entry["category_id"] for entry in entries], dtype=np.int64),
            crowd=np.array([bool(entry.get("iscrowd", 0)) for entry in entries], dtype=bool),
            areas=np.array(areas, dtype=np.float64),
            boxes=np.array(boxes, dtype=np.float64).reshape(len(entries), 5 if is_rotated else 4),
        )


@dataclass(frozen=True)
class CocoGroups:
    """G groups of D detections and M objects, ordered by category, then by image; detections by falling score.

    Args:
        detections: (D,) int64, index of each detection among all detections.
        objects: (M,) int64, index of each object among all annotations.
        detection_starts: (G + 1,) int64, offset of the first detection of each group, and D.
        object_starts: (G + 1,) int64, offset of the first object of each group, and M.
        categories: (G,) int64, index of the group's category among the category names.
        images: (G,) int64, index of the group's image among the selected images.
    """

    detections: np.ndarray
    objects: np.ndarray
    detection_starts: np.ndarray
    object_starts: np.ndarray
    categories: np.ndarray
    images: np.ndarray

    @property
    def ranks(self) -> np.ndarray:
        """(D,) int64, rank of each detection in its group, 0 for the highest score."""
        sizes = np.diff(self.detection_starts)
        return np.arange(len(self.detections)) - np.repeat(self.detection_starts[:-1], sizes)

    @property
    def detection_categories(self) -> np.ndarray:
        """(D,) int64, category index of each detection."""
        return np.repeat(self.categories, np.diff(self.detection_starts))

    @property
    def object_categories(self) -> np.ndarray:
        """(M,) int64, category index of each object."""
        return np.repeat(self.categories, np.diff(self.object_starts))


class GroupMatches(NamedTuple):
    """Matches of D detections and M objects at T IoU thresholds in A area ranges; -1 for no match.

    Args:
        detection_matches: (A, T, D) int32, offset of the matched object in the groups.
        detection_ignored: (A, T, D) bool, detections that count neither as true nor as false positives.
        object_matches: (A, T, M) int32, offset of the matched detection in the groups.
        object_ignored: (A, M) bool, crowds and objects outside the area range.
    """

    detection_matches: np.ndarray
    detection_ignored: np.ndarray
    object_matches: np.ndarray
    object_ignored: np.ndarray


def rotated_box(box: Sequence[float]) -> list[float]:
    """Return a box (x, y, width, height) as a rotated box with angle 0, and a rotated box unchanged."""
    if len(box) == 5:
        return list(box)
    x, y, width, height = box
    return [x + width / 2, y + height / 2, width, height, 0.0]


def group_by_image(
    ground_truth: CocoGroundTruth,
    objects: CocoObjects,
    detections: Detections,
    limit: int,
    image_ids: Sequence[Any] | None = None,
    by_category: bool = True,
) -> CocoGroups:
    """Sort detections and objects into groups.

    Args:
        ground_truth: The ground truth.
        objects: The annotations of the ground truth.
        detections: Detections with category ids of the ground truth.
        limit: Maximum number of detections per group. Those with the highest scores are kept; in a tie, the earlier.
        image_ids: Ids of the images to use. None: all.
        by_category: Whether a group has one category. False: one group per image.
    """
    selected_ids = sorted(ground_truth.image_sizes if image_ids is None else set(image_ids))
    image_index = {image_id: index for index, image_id in enumerate(selected_ids)}
    category_index = {c: index if by_category else 0 for index, c in enumerate(ground_truth.category_names)}

    def group_keys(ids: np.ndarray, categories: np.ndarray) -> np.ndarray:
        """The key category * images + image, which sorts by category first; -1 outside the selection."""
        pairs = zip(ids.tolist(), categories.tolist(), strict=True)
        keys = [
            category_index[c] * len(image_index) + image_index[i] if i in image_index and c in category_index else -1
            for i, c in pairs
        ]
        return np.array(keys, dtype=np.int64)

    object_keys = group_keys(objects.image_ids, objects.categories)
    object_order = np.argsort(object_keys, kind="stable")
    object_order = object_order[object_keys[object_order] >= 0]

    detection_keys = group_keys(detections.image_ids, detections.categories)
    detection_order = np.lexsort((-detections.scores, detection_keys))
    detection_order = detection_order[detection_keys[detection_order] >= 0]
    # In a sorted array, the rank within a group is the distance to the group's first element.
    sorted_keys = detection_keys[detection_order]
    rank = np.arange(len(detection_order)) - np.searchsorted(sorted_keys, sorted_keys)
    detection_order = detection_order[rank < limit]

    keys = np.unique(np.concatenate([detection_keys[detection_order], object_keys[object_order]]))

    def starts(sorted_keys: np.ndarray) -> np.ndarray:
        return np.append(np.searchsorted(sorted_keys, keys), len(sorted_keys))

    return CocoGroups(
        detection_order,
        object_order,
        detection_starts=starts(detection_keys[detection_order]),
        object_starts=starts(object_keys[object_order]),
        categories=keys // max(len(image_index), 1),
        images=keys % max(len(image_index), 1),
    )


def match_groups(
    groups: CocoGroups,
    ious: torch.Tensor,
    iou_thresholds: Sequence[float],
    area_ranges: Sequence[tuple[float, float]],
    detection_areas: np.ndarray,
    objects: CocoObjects,
) -> GroupMatches:
    """Match the detections of each group greedily to its objects.

    In order of falling score, each detection takes the free object with the highest IoU at or above the threshold. It
    takes an ignored object only if no other one qualifies; a crowd is never used up. A detection is ignored if it
    matched an ignored object, or if it matched none and its area is outside the range.

    Args:
        groups: The groups.
        ious: Flat float64, the (detections, objects) matrices of all groups, concatenated.
        iou_thresholds: The T thresholds.
        area_ranges: (minimum, maximum) area of each of the A ranges.
        detection_areas: (D,) areas of the detections, in the order of the groups.
        objects: The annotations.
    """
    crowd = objects.crowd[groups.objects]
    object_areas = objects.areas[groups.objects]
    low, high = np.array(area_ranges, dtype=np.float64).T[:, :, None]  # (A, 1) each
    object_ignored = crowd | (object_areas < low) | (object_areas > high)  # (A, M)
    is_outside = (detection_areas < low) | (detection_areas > high)  # (A, D)
    detection_matches, detection_ignored, object_matches = ops.coco_match(
        ious,
        torch.tensor(list(iou_thresholds), dtype=torch.float64),
        torch.from_numpy(groups.detection_starts),
        torch.from_numpy(groups.object_starts),
        torch.from_numpy(is_outside),
        torch.from_numpy(object_ignored),
        torch.from_numpy(crowd),
    )
    return GroupMatches(detection_matches.numpy(), detection_ignored.numpy(), object_matches.numpy(), object_ignored)
