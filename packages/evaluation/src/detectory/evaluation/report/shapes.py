"""Boxes or masks of detections and objects, and their IoU within groups."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from detectory import ops
from detectory.evaluation.coco.ground_truth import CocoGroundTruth
from detectory.evaluation.coco.matching import CocoGroups, CocoObjects
from detectory.evaluation.detections import Detections
from detectory.evaluation.run_lengths import RunLengths


class Shapes(NamedTuple):
    """Boxes of detections and objects as (N, 4) and (M, 4) arrays of (x, y, width, height), or N and M RLEs."""

    detections: np.ndarray | Sequence[Mapping[str, Any]]
    objects: np.ndarray | Sequence[Mapping[str, Any]]


def shapes_of(ground_truth: CocoGroundTruth, objects: CocoObjects, detections: Detections, iou_type: str) -> Shapes:
    """Return the masks for "segm", else the boxes; detections without boxes have the boxes of their masks.

    Raises:
        ValueError: If the detections have neither boxes nor masks.
    """
    if iou_type == "segm":
        return Shapes(detections.masks or RunLengths.from_rles(()), object_masks(ground_truth))
    boxes = detections.boxes
    if boxes is None and detections.masks is not None:
        boxes = detections.masks.boxes()
    if boxes is None:
        raise ValueError("find_errors: the detections have neither boxes nor masks")
    return Shapes(np.asarray(boxes, dtype=np.float64), objects.boxes)


def object_masks(ground_truth: CocoGroundTruth) -> list[Mapping[str, Any]]:
    """Return the masks of all annotations as RLEs with compressed counts; without a segmentation, an empty mask."""
    sizes = ground_truth.image_sizes
    annotations = ground_truth.dataset["annotations"]
    masks: list[Any] = [None] * len(annotations)
    polygons, polygon_indices = [], []
    for index, entry in enumerate(annotations):
        segmentation = entry.get("segmentation") or []
        if isinstance(segmentation, Mapping):
            is_compressed = not isinstance(segmentation["counts"], list)
            masks[index] = segmentation if is_compressed else ops.rle_merge([segmentation])
        else:
            polygons.append([p for p in segmentation if len(p) >= 6])
            polygon_indices.append(index)
    # All polygons in one call, which is much faster than one call per annotation.
    rasterised = ops.polygon_sets_to_rles(polygons, [sizes[annotations[i]["image_id"]] for i in polygon_indices])
    for index, mask in zip(polygon_indices, rasterised, strict=True):
        masks[index] = mask
    return masks


def grouped_iou(groups: CocoGroups, objects: CocoObjects, shapes: Shapes) -> np.ndarray:
    """Compute the IoU of all pairs in the same group.

    Returns:
        Flat float64, the (detections, objects) matrices of all groups, concatenated.
    """
    starts = torch.from_numpy(groups.detection_starts), torch.from_numpy(groups.object_starts)
    crowd = torch.from_numpy(objects.crowd[groups.objects])
    if isinstance(shapes.detections, np.ndarray) and isinstance(shapes.objects, np.ndarray):
        boxes = torch.from_numpy(shapes.detections[groups.detections])
        object_boxes = torch.from_numpy(shapes.objects[groups.objects])
        return ops.grouped_box_iou(boxes, object_boxes, crowd, *starts).numpy()
    rles = [shapes.detections[i] for i in groups.detections.tolist()]
    object_rles = [shapes.objects[i] for i in groups.objects.tolist()]
    return ops.grouped_rle_iou(rles, object_rles, crowd, *starts).numpy()
