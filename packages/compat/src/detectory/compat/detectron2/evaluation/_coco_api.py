"""COCO metrics of results in COCO format, computed with pycocotools or a compatible class."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from detectory.compat.detectron2.evaluation.fast_eval_api import COCOeval_opt
from detectory.compat.detectron2.structures import Boxes, BoxMode, pairwise_iou

_AREAS = ("all", "small", "medium", "large")
# Square pixels.
_AREA_RANGES = {
    "all": (0, 1e10),
    "small": (0, 32**2),
    "medium": (32**2, 96**2),
    "large": (96**2, 1e10),
    "96-128": (96**2, 128**2),
    "128-256": (128**2, 256**2),
    "256-512": (256**2, 512**2),
    "512-inf": (512**2, 1e10),
}


class COCOevalMaxDets(COCOeval):
    """pycocotools' `COCOeval` whose summary supports any `params.maxDets`."""

    def summarize(self) -> None:
        """Compute COCO's twelve box or mask metrics into `stats` and print them.

        Raises:
            RuntimeError: If nothing was accumulated, or the metrics are keypoint metrics.
        """
        if not self.eval:
            raise RuntimeError("COCOevalMaxDets.summarize: call accumulate() first")
        if self.params.iouType == "keypoints":
            raise RuntimeError("COCOevalMaxDets.summarize: use pycocotools' COCOeval for keypoints")
        limits = list(self.params.maxDets)
        precisions = [(0, None), (0, 0.5), (0, 0.75), (1, None), (2, None), (3, None)]
        recalls = [(0, limit) for limit in range(len(limits))] + [(area, len(limits) - 1) for area in (1, 2, 3)]
        stats = [self._precision(area, threshold) for area, threshold in precisions]
        stats += [self._recall(area, limit) for area, limit in recalls]
        self.stats = np.array(stats)
        for (area, threshold), value in zip(precisions, stats, strict=False):
            iou = "0.50:0.95" if threshold is None else f"{threshold:.2f}"
            print(f" AP @[ IoU={iou} | area={_AREAS[area]} | maxDets={limits[-1]} ] = {value:.3f}")  # noqa: T201
        for (area, limit), value in zip(recalls, stats[len(precisions) :], strict=True):
            print(f" AR @[ IoU=0.50:0.95 | area={_AREAS[area]} | maxDets={limits[limit]} ] = {value:.3f}")  # noqa: T201

    def _precision(self, area: int, threshold: float | None) -> float:
        rows = slice(None) if threshold is None else np.isclose(self.params.iouThrs, threshold)
        return _mean_known(self.eval["precision"][rows, :, :, area, -1])

    def _recall(self, area: int, limit: int) -> float:
        return _mean_known(self.eval["recall"][:, :, area, limit])


def _evaluate_predictions_on_coco(
    coco_gt: COCO,
    coco_results: list[dict[str, Any]],
    iou_type: str,
    kpt_oks_sigmas: Sequence[float] | None = None,
    cocoeval_fn: Callable[..., COCOeval] = COCOeval_opt,
    img_ids: Sequence[int] | None = None,
    max_dets_per_image: Sequence[int] | None = None,
) -> COCOeval:
    """Evaluate results in COCO format with pycocotools or a compatible class.

    Args:
        coco_gt: The ground truth.
        coco_results: One entry per detection; not empty.
        iou_type: `"bbox"`, `"segm"` or `"keypoints"`.
        kpt_oks_sigmas: One value per keypoint; COCO's by default.
        cocoeval_fn: Constructor called with ground truth, results and type.
        img_ids: Images to evaluate; all by default.
        max_dets_per_image: At least three limits; COCO's by default.

    Returns:
        The summarized evaluation.

    Raises:
        ValueError: If `coco_results` is empty, or there are fewer than three limits.
    """
    if not coco_results:
        raise ValueError("_evaluate_predictions_on_coco: coco_results must not be empty")
    if iou_type == "segm":
        # If results contain boxes, pycocotools uses the box area instead of the mask area.
        coco_results = [{key: value for key, value in entry.items() if key != "bbox"} for entry in coco_results]
    limits = [1, 10, 100] if max_dets_per_image is None else list(max_dets_per_image)
    if len(limits) < 3:
        raise ValueError(f"_evaluate_predictions_on_coco: max_dets_per_image must have three limits, got {limits}")
    make = COCOevalMaxDets if limits[2] != 100 and iou_type != "keypoints" else cocoeval_fn
    result = make(coco_gt, coco_gt.loadRes(coco_results), iou_type)
    if iou_type != "keypoints":
        result.params.maxDets = limits
    elif kpt_oks_sigmas is not None and len(kpt_oks_sigmas):
        result.params.kpt_oks_sigmas = np.array(kpt_oks_sigmas)
    if img_ids is not None:
        result.params.imgIds = list(img_ids)
    result.evaluate()
    result.accumulate()
    result.summarize()
    return result


def _mean_known(values: np.ndarray) -> float:
    """Return the mean of the known values, or -1 if there are none, as COCO does."""
    known = values[values > -1]
    return float(known.mean()) if known.size else -1.0


def _evaluate_box_proposals(
    dataset_predictions: Sequence[Mapping[str, Any]],
    coco_api: Any,
    thresholds: torch.Tensor | None = None,
    area: str = "all",
    limit: int | None = None,
) -> dict[str, Any]:
    """Compute the recall of proposals.

    Args:
        dataset_predictions: Dictionaries with `image_id` and `proposals`, which have `proposal_boxes` and
            `objectness_logits`.
        coco_api: COCO or LVIS ground truth.
        thresholds: IoU thresholds; 0.5 to 0.95 in steps of 0.05 by default.
        area: Name of an area range.
        limit: Maximum number of proposals per image.

    Returns:
        `ar` (mean recall), `recalls` and `thresholds` `(T,)`, sorted `gt_overlaps` `(N,)` and `num_pos`.

    Raises:
        ValueError: If the area range is unknown.
    """
    if area not in _AREA_RANGES:
        raise ValueError(f"_evaluate_box_proposals: area must be one of {list(_AREA_RANGES)}, got {area!r}")
    smallest, largest = _AREA_RANGES[area]
    overlaps = []
    for prediction in dataset_predictions:
        ids = coco_api.getAnnIds(imgIds=[prediction["image_id"]])
        objects = [entry for entry in coco_api.loadAnns(ids) if not entry.get("iscrowd", 0)]
        boxes = [BoxMode.convert(entry["bbox"], BoxMode.XYWH_ABS, BoxMode.XYXY_ABS) for entry in objects]
        ground_truth = Boxes(torch.as_tensor(boxes, dtype=torch.float32).reshape(-1, 4))
        areas = torch.as_tensor([float(entry["area"]) for entry in objects])
        ground_truth = ground_truth[(areas >= smallest) & (areas <= largest)] if len(objects) else ground_truth
        proposals = prediction["proposals"]
        order = proposals.objectness_logits.sort(descending=True).indices[:limit]
        overlaps.append(_one_to_one_overlaps(pairwise_iou(proposals.proposal_boxes[order], ground_truth)))
    gt_overlaps = torch.cat(overlaps).sort().values if overlaps else torch.zeros(0)
    if thresholds is None:
        thresholds = torch.arange(0.5, 0.95 + 1e-5, 0.05)
    recalls = torch.stack([(gt_overlaps >= t).float().sum() / max(len(gt_overlaps), 1) for t in thresholds])
    return {
        "ar": recalls.mean(),
        "recalls": recalls,
        "thresholds": thresholds,
        "gt_overlaps": gt_overlaps,
        "num_pos": len(gt_overlaps),
    }


def _one_to_one_overlaps(ious: torch.Tensor) -> torch.Tensor:
    """Match proposals `(P,)` and objects `(N,)` greedily by IoU `(P, N)`; return each object's IoU, 0 if unmatched."""
    result = torch.zeros(ious.shape[1])
    ious = ious.clone()
    for _ in range(min(ious.shape)):
        best, proposals = ious.max(dim=0)
        index = best.argmax()
        result[index] = best[index].clamp(min=0)
        ious[proposals[index], :] = -1
        ious[:, index] = -1
    return result
