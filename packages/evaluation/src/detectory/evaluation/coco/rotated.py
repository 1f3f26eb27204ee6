"""Evaluates rotated boxes by COCO's metrics; the angle itself does not count, only the overlap does."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from detectory import ops
from detectory.evaluation.detections import Detections, instances_to_coco_json
from detectory.structures import Instances

from .compute import CocoSettings
from .curves import precision_recall_curves
from .evaluator import COCOEvaluator, report_metrics
from .ground_truth import CocoGroundTruth
from .matching import CocoGroups, CocoObjects, group_by_image, match_groups, rotated_box
from .metrics import CocoMetrics


class RotatedCOCOEvaluator(COCOEvaluator):
    """Average precision and recall of rotated boxes, by the same matching as COCO's boxes.

    Predictions have `pred_boxes` of type `RotatedBoxes`; upright `Boxes` are boxes without an angle. The ground truth
    holds boxes (centre x, centre y, width, height, degrees counter-clockwise) or upright (x, y, width, height). The
    arguments are those of `COCOEvaluator`; the task is "bbox".

    Raises:
        ValueError: for another task.
    """

    def __init__(
        self,
        dataset_name: str,
        tasks: Sequence[str] | None = None,
        distributed: bool = True,
        output_dir: str | None = None,
        *,
        max_dets_per_image: int | Sequence[int] | None = None,
        use_fast_impl: bool = True,
        kpt_oks_sigmas: Sequence[float] = (),
        allow_cached_coco: bool = True,
        settings: CocoSettings | None = None,
    ) -> None:
        if tasks is not None and tuple(tasks) != ("bbox",):
            raise ValueError(f"RotatedCOCOEvaluator: tasks must be ('bbox',), got {tuple(tasks)}")
        super().__init__(
            dataset_name,
            ("bbox",),
            distributed,
            output_dir,
            max_dets_per_image=max_dets_per_image,
            use_fast_impl=use_fast_impl,
            kpt_oks_sigmas=kpt_oks_sigmas,
            allow_cached_coco=allow_cached_coco,
            settings=settings,
        )

    def instances_to_json(self, instances: Instances, img_id: Any) -> list[dict[str, Any]]:
        """COCO's result format: one dict a detection, `bbox` with five numbers where the box is rotated."""
        return instances_to_coco_json(instances, img_id)

    def _figures(self, task: str, found: Detections, img_ids: Sequence[Any] | None) -> dict[str, float]:
        return report_metrics(rotated_coco_metrics(self.ground_truth, found, self._settings, image_ids=img_ids))


def rotated_coco_metrics(
    truth: CocoGroundTruth,
    found: Detections,
    settings: CocoSettings | None = None,
    *,
    image_ids: Sequence[Any] | None = None,
) -> CocoMetrics:
    """Measure rotated boxes.

    Args:
        truth: The ground truth, its boxes of four or five numbers.
        found: Detections with boxes (N, 4) or (N, 5), their categories those of the ground truth.
        settings: Thresholds, areas and limits; None: COCO's.
        image_ids: Only these images count; None: all.
    """
    settings = settings or CocoSettings()
    objects = CocoObjects.of(truth)
    limits, areas = settings.limits("bbox"), settings.areas("bbox")
    groups = group_by_image(truth, objects, found, max(limits), image_ids)
    boxes = _rotated(found.boxes if found.boxes is not None else np.zeros((0, 5)))[groups.found]
    overlaps = grouped_rotated_iou(boxes, _rotated(objects.boxes)[groups.objects], objects.crowd, groups)
    sizes = boxes[:, 2] * boxes[:, 3]
    thresholds = settings.iou_thresholds
    matches = match_groups(groups, overlaps, thresholds, list(areas.values()), sizes, objects)
    found_match, found_ignored, _, object_ignored = matches
    names = truth.category_names
    scores = found.scores[groups.found]
    curves = precision_recall_curves(
        groups, scores, found_match, found_ignored, object_ignored, limits, categories=len(names)
    )
    return CocoMetrics("bbox", lambda: curves, np.asarray(thresholds), list(areas), limits, list(names.values()))


def grouped_rotated_iou(found: np.ndarray, objects: np.ndarray, crowd: np.ndarray, groups: CocoGroups) -> torch.Tensor:
    """Overlaps of the rotated boxes of each group, flat float64; those with a crowd are over the detection's area.

    Args:
        found: (D, 5); objects: (M, 5), both in the groups' order.
        crowd: Flags of all annotations, in their own order.
        groups: The groups.
    """
    blocks = []
    is_crowd = crowd[groups.objects]
    for d, d_end, m, m_end in zip(
        groups.found_starts[:-1],
        groups.found_starts[1:],
        groups.object_starts[:-1],
        groups.object_starts[1:],
        strict=True,
    ):
        one, other = found[d:d_end], objects[m:m_end]
        iou = ops.pairwise_iou_rotated(torch.from_numpy(one), torch.from_numpy(other)).numpy()
        if is_crowd[m:m_end].any():
            area, areas = one[:, 2:4].prod(axis=1)[:, None], other[:, 2:4].prod(axis=1)
            with np.errstate(invalid="ignore", divide="ignore"):
                over_own = np.nan_to_num(iou * (area + areas) / (1 + iou) / area)
            iou = np.where(is_crowd[m:m_end], over_own, iou)
        blocks.append(iou.ravel())
    return torch.from_numpy(np.concatenate([np.zeros(0), *blocks]))


def _rotated(boxes: np.ndarray) -> np.ndarray:
    """Boxes of four numbers as rotated ones without an angle: (N, 5)."""
    boxes = boxes.astype(np.float64)
    return boxes if boxes.shape[1] == 5 else np.array([rotated_box(box) for box in boxes]).reshape(-1, 5)
