"""Computation of COCO metrics by hotcoco or pycocotools.

Source: Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, and COCO's detection evaluation page.
"""

import contextlib
import copy
import io
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import hotcoco
import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from detectory.evaluation.detections import Detections
from detectory.evaluation.run_lengths import RunLengths

from .ground_truth import CocoGroundTruth
from .metrics import CocoMetrics

_logger = logging.getLogger(__name__)

_NUM_PERSON_KEYPOINTS = 17
_NUM_RECALL_LEVELS = 101
_THRESHOLDS = tuple(np.linspace(0.5, 0.95, 10).tolist())
_AREAS = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
_SUMMARY = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


@dataclass(frozen=True)
class CocoSettings:
    """Thresholds, area ranges and detection limits of a COCO evaluation.

    Args:
        iou_thresholds: IoU thresholds of a match, ascending. COCO's are 0.5, 0.55, …, 0.95.
        area_ranges: Name to (minimum, maximum) object area in square pixels. "all" is required.
        max_detections: Limits on the number of detections per image and class, ascending. Empty: COCO's (1, 10, 100),
            or (20,) for keypoints.
        oks_sigmas: One sigma per keypoint, for object keypoint similarity. Empty: COCO's 17 sigmas for persons, and
            1 / K for each of another number K of keypoints, as Ultralytics does.
    """

    iou_thresholds: Sequence[float] = _THRESHOLDS
    area_ranges: dict[str, tuple[float, float]] = field(default_factory=lambda: dict(_AREAS))
    max_detections: Sequence[int] = ()
    oks_sigmas: Sequence[float] = ()

    def is_standard(self) -> bool:
        """Return whether these are COCO's settings for boxes and masks."""
        thresholds, areas = list(self.iou_thresholds), list(self.area_ranges.items())
        return thresholds == list(_THRESHOLDS) and areas == list(_AREAS.items()) and self.limits("bbox") == [1, 10, 100]

    def limits(self, iou_type: str) -> list[int]:
        """Return the detection limits, by default COCO's."""
        return list(self.max_detections) or ([20] if iou_type == "keypoints" else [1, 10, 100])

    def areas(self, iou_type: str) -> dict[str, tuple[float, float]]:
        """Return the area ranges; COCO defines no small objects for keypoints."""
        return {k: v for k, v in self.area_ranges.items() if not (iou_type == "keypoints" and k == "small")}


def coco_metrics(
    ground_truth: CocoGroundTruth,
    detections: Detections | hotcoco.COCO,
    iou_type: str,
    settings: CocoSettings | None = None,
    *,
    image_ids: Sequence[Any] | None = None,
    use_pycocotools: bool = False,
) -> CocoMetrics:
    """Match detections to the ground truth and compute the metrics.

    Args:
        ground_truth: The ground truth.
        detections: Detections with category ids of the ground truth (not contiguous ids), or the result of
            `load_box_results`.
        iou_type: "bbox", "segm" or "keypoints".
        settings: Thresholds, area ranges and limits. None: COCO's.
        image_ids: Ids of the images to evaluate. None: all.
        use_pycocotools: Whether to use pycocotools instead of hotcoco. The metrics are the same; it is much slower.

    Raises:
        ValueError: If the numbers of sigmas, of detected and of annotated keypoints differ.
    """
    settings = settings or CocoSettings()
    if iou_type == "keypoints" and isinstance(detections, Detections) and len(detections):
        count = 0 if detections.keypoints is None else detections.keypoints.shape[1]
        settings = _with_oks_sigmas(settings, count)
        check_keypoints(ground_truth, count, settings)
    selected_ids = list(ground_truth.index.get_img_ids() if image_ids is None else image_ids)
    integer_ids = ground_truth.integer_ids
    if integer_ids is not None:
        if image_ids is not None:
            selected_ids = [integer_ids[i] for i in selected_ids]
        if isinstance(detections, Detections):
            ids = np.array([integer_ids[i] for i in detections.image_ids], dtype=np.int64)
            detections = replace(detections, image_ids=ids)
    names = list(ground_truth.category_names.values())
    summary = per_category = None
    if use_pycocotools and isinstance(detections, Detections):
        evaluation = _evaluate_with_pycocotools(ground_truth, detections, iou_type, settings, sorted(selected_ids))
    else:
        index = to_hotcoco(ground_truth, detections, iou_type) if isinstance(detections, Detections) else detections
        evaluation = _evaluate_with_hotcoco(ground_truth, index, iou_type, settings, sorted(selected_ids))
        # hotcoco's averages equal ours only for COCO's own settings, and its APs per class are keyed by name.
        if iou_type != "keypoints" and settings.is_standard() and len(set(names)) == len(names):
            summary, per_category = _hotcoco_averages(evaluation, names)
    areas, limits = list(settings.areas(iou_type)), settings.limits(iou_type)
    thresholds = np.asarray(settings.iou_thresholds)

    def read_curves() -> dict[str, np.ndarray]:
        per_class = len(names), len(areas), len(limits)
        shapes = {
            "precision": (len(thresholds), _NUM_RECALL_LEVELS, *per_class),
            "recall": (len(thresholds), *per_class),
            "scores": (len(thresholds), _NUM_RECALL_LEVELS, *per_class),
        }
        curves = evaluation.eval
        return {name: np.asarray(curves[name]).reshape(shape) for name, shape in shapes.items()}

    return CocoMetrics(iou_type, read_curves, thresholds, areas, limits, names, summary, per_category)


def to_hotcoco(ground_truth: CocoGroundTruth, detections: Detections, iou_type: str) -> hotcoco.COCO:
    """Convert detections with integer image ids to a hotcoco object."""
    if iou_type == "keypoints":
        keypoints = replace(detections, boxes=None, masks=None)
        entries: list[Any] = keypoints.to_json()
        return ground_truth.index.load_res(entries)
    count = len(detections)
    boxes = np.zeros((count, 4)) if iou_type == "segm" or detections.boxes is None else detections.boxes
    rows = np.column_stack([detections.image_ids.astype(np.float64), boxes, detections.scores, detections.categories])
    if iou_type == "bbox":
        return ground_truth.index.load_res(rows)
    masks = detections.masks or RunLengths.from_rles(())
    rles: list[Any] = list(masks)
    index = ground_truth.index.load_res(rows, segmentation=rles)
    # The area of a detection decides in which area ranges it counts; for masks that is the mask's area, not the box's.
    index.update_anns(ids=np.arange(1, count + 1), area=masks.areas().astype(np.float64))
    return index


def _with_oks_sigmas(settings: CocoSettings, count: int) -> CocoSettings:
    """Set the default sigmas for a number of keypoints that COCO does not define."""
    if len(settings.oks_sigmas) or count in (0, _NUM_PERSON_KEYPOINTS):
        return settings
    _logger.warning(
        "no OKS sigmas for %d keypoints: using 1/%d for each. Set them by dataloader.evaluator.kpt_oks_sigmas "
        "(TEST.KEYPOINT_OKS_SIGMAS in a Detectron2 config, --oks-sigmas for --predictions)",
        *(count, count),
    )
    return replace(settings, oks_sigmas=(1 / count,) * count)


def check_masks(ground_truth: CocoGroundTruth) -> None:
    """Check that every object has a mask.

    Raises:
        ValueError: If an object has none; the message names the first one.
    """
    entries = ground_truth.index.dataset["annotations"]
    without = [entry for entry in entries if not entry.get("segmentation") and not entry.get("iscrowd")]
    if without:
        raise ValueError(
            f"{ground_truth.name}: {len(without)} of {len(entries)} objects have no mask, so masks cannot be "
            f"evaluated; the first is annotation {without[0]['id']} of image {without[0]['image_id']}. "
            "Add their 'segmentation', or evaluate boxes only: +dataloader.evaluator.tasks=[bbox]"
        )


def check_keypoints(ground_truth: CocoGroundTruth, count: int, settings: CocoSettings) -> None:
    """Check that the ground truth and the OKS sigmas have the number of keypoints that a model predicts.

    Args:
        ground_truth: The ground truth.
        count: The number of predicted keypoints.
        settings: Settings with the OKS sigmas.

    Raises:
        ValueError: If the numbers differ; the message names the first such object.
    """
    num_sigmas = len(settings.oks_sigmas)
    if num_sigmas not in (0, count):
        raise ValueError(
            f"oks_sigmas must have one value per keypoint, got {num_sigmas} for {count} keypoints. Set them by "
            "dataloader.evaluator.kpt_oks_sigmas (TEST.KEYPOINT_OKS_SIGMAS in a Detectron2 config, --oks-sigmas for "
            "--predictions)"
        )
    for entry in ground_truth.index.dataset["annotations"]:
        points = entry.get("keypoints") or ()
        if points and len(points) != 3 * count:
            name = f"{ground_truth.name}: annotation {entry['id']}"
            raise ValueError(f"{name} has {len(points) // 3} keypoints, but the detections have {count}")


def _evaluate_with_hotcoco(
    ground_truth: CocoGroundTruth,
    index: hotcoco.COCO,
    iou_type: str,
    settings: CocoSettings,
    image_ids: list[int],
) -> Any:
    evaluation = hotcoco.COCOeval(ground_truth.index, index, iou_type)
    _set_parameters(evaluation.params, iou_type, settings, image_ids)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def _hotcoco_averages(evaluation: Any, names: Sequence[str]) -> tuple[dict[str, float], list[float]]:
    """Summary by metric name and AP per class, in [0, 1] and NaN if undefined."""
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.summarize()
        by_name = evaluation.get_results(per_class=True)
    summary = [value if value > -1 else math.nan for value in evaluation.stats.tolist()]
    per_category = [by_name.get(f"AP/{name}", -1.0) for name in names]
    return (
        dict(zip(_SUMMARY, summary, strict=True)),
        [value if value > -1 else math.nan for value in per_category],
    )


def _evaluate_with_pycocotools(
    ground_truth: CocoGroundTruth,
    detections: Detections,
    iou_type: str,
    settings: CocoSettings,
    image_ids: list[int],
) -> Any:
    selected = Detections(detections.image_ids, detections.categories, detections.scores)
    selected.boxes = detections.boxes if iou_type == "bbox" else None
    selected.masks = detections.masks if iou_type == "segm" else None
    selected.keypoints = detections.keypoints if iou_type == "keypoints" else None
    with contextlib.redirect_stdout(io.StringIO()):
        index = COCO()
        # pycocotools adds fields to the annotations, hence the copy.
        index.dataset = copy.deepcopy(ground_truth.index.dataset)
        # pycocotools treats a match with the annotation id 0 as "no match".
        for number, annotation in enumerate(index.dataset["annotations"], start=1):
            annotation["id"] = number
        index.createIndex()
        evaluation = COCOeval(index, index.loadRes(selected.to_json()), iou_type)
        _set_parameters(evaluation.params, iou_type, settings, image_ids)
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def _set_parameters(params: Any, iou_type: str, settings: CocoSettings, image_ids: list[int]) -> None:
    """Set the parameters of a `COCOeval`; hotcoco's and pycocotools' have the same names."""
    params.imgIds = image_ids
    params.iouThrs = np.asarray(settings.iou_thresholds, dtype=np.float64)
    params.maxDets = settings.limits(iou_type)
    areas = settings.areas(iou_type)
    params.areaRng = [list(limits) for limits in areas.values()]
    params.areaRngLbl = list(areas)
    if iou_type == "keypoints" and len(settings.oks_sigmas):
        params.kpt_oks_sigmas = np.asarray(settings.oks_sigmas, dtype=np.float64)
