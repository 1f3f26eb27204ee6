"""COCO's metrics: average precision and recall over IoU thresholds, sizes and numbers of detections.

Source: Lin et al., "Microsoft COCO: Common Objects in Context", 2014, and the evaluation page of its web site.
"""

import contextlib
import copy
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import hotcoco
import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from detectory.evaluation.detections import Detections
from detectory.evaluation.run_lengths import RunLengths

from .ground_truth import CocoGroundTruth
from .metrics import CocoMetrics

_PERSON_KEYPOINTS = 17
_THRESHOLDS = tuple(np.linspace(0.5, 0.95, 10).tolist())
_AREAS = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
_STATS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
_Known = tuple[dict[str, float] | None, list[float] | None]


@dataclass(frozen=True)
class CocoSettings:
    """What is measured.

    Args:
        iou_thresholds: Of a match, ascending; those of COCO are 0.5, 0.55, …, 0.95.
        area_ranges: Name to (lowest, highest) area of an object in pixels; "all" must be among them.
        max_detections: How many detections of an image and class count, best first; ascending. Empty: COCO's
            (1, 10, 100), or (20,) for keypoints.
        oks_sigmas: One per keypoint, for the object keypoint similarity; empty: COCO's 17 of persons.
    """

    iou_thresholds: Sequence[float] = _THRESHOLDS
    area_ranges: dict[str, tuple[float, float]] = field(default_factory=lambda: dict(_AREAS))
    max_detections: Sequence[int] = ()
    oks_sigmas: Sequence[float] = ()

    def are_cocos(self) -> bool:
        """Whether these are COCO's settings for boxes and masks."""
        thresholds, areas = list(self.iou_thresholds), list(self.area_ranges.items())
        return thresholds == list(_THRESHOLDS) and areas == list(_AREAS.items()) and self.limits("bbox") == [1, 10, 100]

    def limits(self, iou_type: str) -> list[int]:
        """The numbers of detections, COCO's where none were given."""
        return list(self.max_detections) or ([20] if iou_type == "keypoints" else [1, 10, 100])

    def areas(self, iou_type: str) -> dict[str, tuple[float, float]]:
        """The areas; keypoints are not measured on small objects."""
        return {k: v for k, v in self.area_ranges.items() if not (iou_type == "keypoints" and k == "small")}


def coco_metrics(
    truth: CocoGroundTruth,
    found: Detections | hotcoco.COCO,
    iou_type: str,
    settings: CocoSettings | None = None,
    *,
    image_ids: Sequence[Any] | None = None,
    use_reference: bool = False,
) -> CocoMetrics:
    """Match detections to the ground truth and measure.

    Args:
        truth: The ground truth.
        found: Detections whose categories are those of the ground truth (not contiguous ones); or what
            `load_box_index` gives.
        iou_type: "bbox", "segm" or "keypoints".
        settings: Thresholds, areas and limits; None: COCO's.
        image_ids: Only these images count; None: all of the ground truth.
        use_reference: Use pycocotools instead of hotcoco; the figures are the same, it takes far longer.

    Raises:
        ValueError: where sigmas, detected keypoints and annotated ones are not equally many.
    """
    settings = settings or CocoSettings()
    if iou_type == "keypoints" and isinstance(found, Detections) and len(found):
        _check_keypoints(truth, found, settings)
    chosen = list(truth.index.get_img_ids() if image_ids is None else image_ids)
    if truth.numbers is not None and image_ids is not None:
        chosen = [truth.numbers[i] for i in chosen]
    if isinstance(found, Detections) and truth.numbers is not None:
        ids = np.array([truth.numbers[i] for i in found.image_ids], dtype=np.int64)
        found = Detections(ids, found.categories, found.scores, found.boxes, found.masks, found.keypoints)
    known: _Known = None, None
    if use_reference and isinstance(found, Detections):
        evaluation = _evaluate_reference(truth, found, iou_type, settings, sorted(chosen))
    else:
        index = engine_detections(truth, found, iou_type) if isinstance(found, Detections) else found
        evaluation = _evaluate_fast(truth, index, iou_type, settings, sorted(chosen))
        known = _known_figures(evaluation, iou_type, settings, list(truth.category_names.values()))
    areas, limits = list(settings.areas(iou_type)), settings.limits(iou_type)
    thresholds, names = np.asarray(settings.iou_thresholds), list(truth.category_names.values())

    def read_curves() -> dict[str, np.ndarray]:
        ends = len(names), len(areas), len(limits)
        shapes = {"precision": (len(thresholds), 101, *ends), "recall": (len(thresholds), *ends)}
        shapes["scores"] = shapes["precision"]
        found_curves = evaluation.eval
        return {name: np.asarray(found_curves[name]).reshape(shape) for name, shape in shapes.items()}

    return CocoMetrics(iou_type, read_curves, thresholds, areas, limits, names, *known)


def _check_keypoints(truth: CocoGroundTruth, found: Detections, settings: CocoSettings) -> None:
    count = 0 if found.keypoints is None else found.keypoints.shape[1]
    sigmas = len(settings.oks_sigmas) or _PERSON_KEYPOINTS
    if sigmas != count:
        raise ValueError(f"coco_metrics: oks_sigmas must be one a keypoint, got {sigmas} sigmas for {count} keypoints")
    for entry in truth.index.dataset["annotations"]:
        points = entry.get("keypoints") or ()
        if points and len(points) != 3 * count:
            name = f"{truth.name}: annotation {entry['id']}"
            raise ValueError(f"coco_metrics: {name} has {len(points) // 3} keypoints, the detections have {count}")


def _evaluate_fast(
    truth: CocoGroundTruth, found: hotcoco.COCO, iou_type: str, settings: CocoSettings, image_ids: list[int]
) -> Any:
    evaluation = hotcoco.COCOeval(truth.index, found, iou_type)
    _set_parameters(evaluation.params, iou_type, settings, image_ids)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def _known_figures(evaluation: Any, iou_type: str, settings: CocoSettings, categories: Sequence[str]) -> _Known:
    """The engine's own averages in [0, 1] and APs by category; None where it would not take them as we do."""
    if iou_type == "keypoints" or not settings.are_cocos() or len(set(categories)) < len(categories):
        return None, None
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.summarize()
        by_name = evaluation.get_results(per_class=True)
    figures, by_category = evaluation.stats.tolist(), [by_name.get(f"AP/{name}", -1.0) for name in categories]
    averages, classes = ([value if value > -1 else math.nan for value in part] for part in (figures, by_category))
    return dict(zip(_STATS, averages, strict=True)), classes


def engine_detections(truth: CocoGroundTruth, found: Detections, iou_type: str) -> hotcoco.COCO:
    """The engine's view of detections whose images are integers."""
    if iou_type == "keypoints":
        entries = Detections(found.image_ids, found.categories, found.scores, keypoints=found.keypoints).to_json()
        return truth.index.load_res(entries)
    boxes = np.zeros((len(found), 4)) if iou_type == "segm" or found.boxes is None else found.boxes
    rows = np.column_stack([found.image_ids.astype(np.float64), boxes, found.scores, found.categories])
    if iou_type == "bbox":
        return truth.index.load_res(rows)
    # The area of a detection decides which sizes it counts for: that of its mask, not of its box.
    masks = found.masks or RunLengths.of(())
    dicts: list[Any] = list(masks)
    index = truth.index.load_res(rows, segmentation=dicts)
    index.update_anns(ids=np.arange(1, len(found) + 1), area=masks.areas().astype(np.float64))
    return index


def _evaluate_reference(
    truth: CocoGroundTruth, found: Detections, iou_type: str, settings: CocoSettings, image_ids: list[int]
) -> Any:
    parts = Detections(found.image_ids, found.categories, found.scores)
    parts.boxes = found.boxes if iou_type == "bbox" else None
    parts.masks = found.masks if iou_type == "segm" else None
    parts.keypoints = found.keypoints if iou_type == "keypoints" else None
    with contextlib.redirect_stdout(io.StringIO()):
        index = COCO()
        # The reference writes into the annotations, and so it gets its own.
        index.dataset = copy.deepcopy(truth.index.dataset)
        index.createIndex()
        evaluation = COCOeval(index, index.loadRes(parts.to_json()), iou_type)
        _set_parameters(evaluation.params, iou_type, settings, image_ids)
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def _set_parameters(params: Any, iou_type: str, settings: CocoSettings, image_ids: list[int]) -> None:
    params.imgIds = image_ids
    params.iouThrs = np.asarray(settings.iou_thresholds, dtype=np.float64)
    params.maxDets = settings.limits(iou_type)
    areas = settings.areas(iou_type)
    params.areaRng = [list(limits) for limits in areas.values()]
    params.areaRngLbl = list(areas)
    if iou_type == "keypoints" and len(settings.oks_sigmas):
        params.kpt_oks_sigmas = np.asarray(settings.oks_sigmas, dtype=np.float64)
