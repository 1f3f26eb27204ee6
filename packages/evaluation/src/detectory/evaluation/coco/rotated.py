"""COCO metrics of rotated boxes, by rotated IoU.

The angle has no separate metric and only affects the IoU.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from detectory import ops
from detectory.evaluation.detections import CocoResult, Detections, instances_to_coco_json
from detectory.structures import Instances

from .compute import CocoSettings
from .curves import precision_recall_curves
from .evaluator import COCOEvaluator
from .file_evaluation import all_metrics
from .ground_truth import CocoGroundTruth
from .matching import CocoGroups, CocoObjects, group_by_image, match_groups, rotated_box
from .metrics import CocoMetrics


class RotatedCOCOEvaluator(COCOEvaluator):
    """Average precision and recall of rotated boxes, matched like COCO's boxes.

    Predictions have `pred_boxes` of type `RotatedBoxes`; upright `Boxes` count as rotated boxes with angle 0. Boxes of
    the ground truth are (centre x, centre y, width, height, degrees counter-clockwise) or upright (x, y, width,
    height). The arguments are those of `COCOEvaluator`; the only task is "bbox".
    """

    supported_tasks = ("bbox",)

    def instances_to_json(self, instances: Instances, img_id: Any) -> list[CocoResult]:
        """Return COCO results: one dict per detection, with five values in `bbox` if the box is rotated."""
        return instances_to_coco_json(instances, img_id)

    def _compute_metrics(self, task: str, detections: Detections, img_ids: Sequence[Any] | None) -> dict[str, float]:
        metrics = rotated_coco_metrics(self.ground_truth, detections, self._settings, image_ids=img_ids)
        return all_metrics(metrics)


def rotated_coco_metrics(
    ground_truth: CocoGroundTruth,
    detections: Detections,
    settings: CocoSettings | None = None,
    *,
    image_ids: Sequence[Any] | None = None,
) -> CocoMetrics:
    """Compute COCO metrics of rotated boxes.

    Args:
        ground_truth: Ground truth whose boxes have four or five values.
        detections: Detections with boxes (N, 4) or (N, 5) and category ids of the ground truth.
        settings: Thresholds, area ranges and limits. None: COCO's.
        image_ids: Ids of the images to evaluate. None: all.
    """
    settings = settings or CocoSettings()
    limits, area_ranges = settings.limits("bbox"), settings.areas("bbox")
    names = list(ground_truth.category_names.values())
    objects = CocoObjects.from_ground_truth(ground_truth)
    groups = group_by_image(ground_truth, objects, detections, max(limits), image_ids)
    all_boxes = np.zeros((0, 5)) if detections.boxes is None else detections.boxes
    boxes = _as_rotated(all_boxes[groups.detections])
    object_boxes = _as_rotated(objects.boxes[groups.objects])
    ious = grouped_rotated_iou(boxes, object_boxes, objects.crowd[groups.objects], groups)
    areas = boxes[:, 2] * boxes[:, 3]
    matches = match_groups(groups, ious, settings.iou_thresholds, list(area_ranges.values()), areas, objects)
    scores = detections.scores[groups.detections]
    curves = precision_recall_curves(groups, scores, matches, limits, num_categories=len(names))
    return CocoMetrics("bbox", lambda: curves, np.asarray(settings.iou_thresholds), list(area_ranges), limits, names)


def grouped_rotated_iou(
    boxes: np.ndarray, object_boxes: np.ndarray, crowd: np.ndarray, groups: CocoGroups
) -> torch.Tensor:
    """Compute the IoU of the rotated boxes of each group; for crowds, intersection over the area of the detection.

    Args:
        boxes: (D, 5) boxes of the detections, in the order of the groups.
        object_boxes: (M, 5) boxes of the objects, in the order of the groups.
        crowd: (M,) bool, in the order of the groups.
        groups: The groups.

    Returns:
        Flat float64, the (detections, objects) matrices of all groups, concatenated.
    """
    matrices = [np.zeros(0)]
    for g in range(len(groups.categories)):
        d = slice(groups.detection_starts[g], groups.detection_starts[g + 1])
        m = slice(groups.object_starts[g], groups.object_starts[g + 1])
        iou = ops.pairwise_iou_rotated(torch.from_numpy(boxes[d]), torch.from_numpy(object_boxes[m])).numpy()
        if crowd[m].any():
            # From IoU back to the intersection: iou = i / (a + b - i), so i = iou * (a + b) / (1 + iou).
            area = boxes[d, 2:4].prod(axis=1)[:, None]
            object_area = object_boxes[m, 2:4].prod(axis=1)
            with np.errstate(invalid="ignore", divide="ignore"):
                over_detection = np.nan_to_num(iou * (area + object_area) / (1 + iou) / area)
            iou = np.where(crowd[m], over_detection, iou)
        matrices.append(iou.ravel())
    return torch.from_numpy(np.concatenate(matrices))


def _as_rotated(boxes: np.ndarray) -> np.ndarray:
    """Boxes (N, 4) or (N, 5) as rotated boxes (N, 5)."""
    boxes = boxes.astype(np.float64)
    return boxes if boxes.shape[1] == 5 else np.array([rotated_box(box) for box in boxes]).reshape(-1, 5)
