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

from .coco_ground_truth import CocoGroundTruth
from .detections import Detections

_PERSON_KEYPOINTS = 17
_AREAS = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}


@dataclass(frozen=True)
class CocoSettings:
    """What is measured.

    Args:
        iou_thresholds: of a match, ascending; those of COCO are 0.5, 0.55, …, 0.95.
        area_ranges: name to (lowest, highest) area of an object in pixels; "all" must be among them.
        max_detections: how many detections of an image and class count, best first; ascending. Empty: COCO's
            (1, 10, 100), or (20,) for keypoints.
        oks_sigmas: one per keypoint, for the object keypoint similarity; empty: COCO's 17 of persons.
    """

    iou_thresholds: Sequence[float] = tuple(np.linspace(0.5, 0.95, 10).tolist())
    area_ranges: dict[str, tuple[float, float]] = field(default_factory=lambda: dict(_AREAS))
    max_detections: Sequence[int] = ()
    oks_sigmas: Sequence[float] = ()

    def limits(self, iou_type: str) -> list[int]:
        """The numbers of detections, COCO's where none were given."""
        return list(self.max_detections) or ([20] if iou_type == "keypoints" else [1, 10, 100])

    def areas(self, iou_type: str) -> dict[str, tuple[float, float]]:
        """The areas; keypoints are not measured on small objects."""
        return {k: v for k, v in self.area_ranges.items() if not (iou_type == "keypoints" and k == "small")}


@dataclass(frozen=True)
class CocoMetrics:
    """Curves of precision and the recalls they end in, for T thresholds, R recalls, K classes, A areas, M limits.

    Args:
        iou_type: "bbox", "segm" or "keypoints".
        precision: (T, R, K, A, M) in [0, 1], -1 where a class has no ground truth.
        recall: (T, K, A, M) in [0, 1], -1 likewise.
        scores: (T, R, K, A, M), the score at which each recall is reached.
        iou_thresholds: the T thresholds.
        areas: the A names.
        limits: the M numbers of detections.
        categories: the K names.
    """

    iou_type: str
    precision: np.ndarray
    recall: np.ndarray
    scores: np.ndarray
    iou_thresholds: np.ndarray
    areas: list[str]
    limits: list[int]
    categories: list[str]

    def average_precision(self, *, iou: float | None = None, area: str = "all", category: int | None = None) -> float:
        """Mean precision in [0, 1] at the highest limit; NaN where there is no ground truth for it.

        Args:
            iou: one threshold, or None for the mean over all.
            area: a name of `areas`.
            category: a class's position, or None for the mean over classes.
        """
        values = self.precision[self._threshold(iou), :, :, self.areas.index(area), -1]
        return _mean(values if category is None else values[:, :, category])

    def average_recall(
        self, *, limit: int | None = None, iou: float | None = None, area: str = "all", category: int | None = None
    ) -> float:
        """Mean recall in [0, 1] with at most `limit` detections (None: the highest); the rest as above."""
        column = -1 if limit is None else self.limits.index(limit)
        values = self.recall[self._threshold(iou), :, self.areas.index(area), column]
        return _mean(values if category is None else values[:, category])

    def stats(self) -> list[float]:
        """The figures that COCO prints, in its order, in [0, 1] and -1 for none: 12, for keypoints 10."""
        sizes = [name for name in self.areas if name != "all"]
        precisions = [self.average_precision(), self.average_precision(iou=0.5), self.average_precision(iou=0.75)]
        precisions += [self.average_precision(area=name) for name in sizes]
        if self.iou_type == "keypoints":
            recalls = [self.average_recall(), self.average_recall(iou=0.5), self.average_recall(iou=0.75)]
        else:
            recalls = [self.average_recall(limit=limit) for limit in self.limits]
        recalls += [self.average_recall(area=name) for name in sizes]
        return [-1.0 if math.isnan(value) else value for value in precisions + recalls]

    def summary(self) -> dict[str, float]:
        """Metric name to percent: AP, AP50, AP75, AP by size, AR by limit and by size; NaN for what has no figure."""
        sizes = {name: name[0] for name in self.areas if name != "all"}
        figures = {"AP": self.average_precision()}
        for name, iou in (("AP50", 0.5), ("AP75", 0.75)):
            if np.isclose(self.iou_thresholds, iou).any():
                figures[name] = self.average_precision(iou=iou)
        figures |= {f"AP{letter}": self.average_precision(area=name) for name, letter in sizes.items()}
        figures |= {f"AR{limit}": self.average_recall(limit=limit) for limit in self.limits}
        figures |= {f"AR{letter}": self.average_recall(area=name) for name, letter in sizes.items()}
        return {name: 100 * value for name, value in figures.items()}

    def per_category(self) -> dict[str, float]:
        """Category name to AP in percent, NaN where a category has no ground truth."""
        values = self.precision[:, :, :, self.areas.index("all"), -1]
        known = values > -1
        with np.errstate(invalid="ignore"):
            means = 100 * np.where(known, values, 0).sum(axis=(0, 1)) / known.sum(axis=(0, 1))
        return dict(zip(self.categories, means.tolist(), strict=True))

    def _threshold(self, iou: float | None) -> Any:
        return slice(None) if iou is None else np.isclose(self.iou_thresholds, iou)


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
        truth: the ground truth.
        found: detections whose categories are those of the ground truth (not contiguous ones); or what
            `load_box_index` gives.
        iou_type: "bbox", "segm" or "keypoints".
        settings: thresholds, areas and limits; None: COCO's.
        image_ids: only these images count; None: all of the ground truth.
        use_reference: use pycocotools instead of hotcoco; the figures are the same, it takes far longer.

    Raises:
        ValueError: where sigmas, detected keypoints and annotated ones are not equally many.
    """
    settings = settings or CocoSettings()
    if iou_type == "keypoints" and isinstance(found, Detections) and len(found):
        _check_keypoints(truth, found, settings)
    chosen = list(truth.index.get_img_ids() if image_ids is None else image_ids)
    if truth.numbers is not None and image_ids is not None:
        chosen = [truth.numbers[i] for i in chosen]
    if isinstance(found, Detections):
        numbered = found
        if truth.numbers is not None:
            ids = np.array([truth.numbers[i] for i in found.image_ids], dtype=np.int64)
            numbered = Detections(ids, found.categories, found.scores, found.boxes, found.masks, found.keypoints)
        if use_reference:
            result = _evaluate_reference(truth, numbered, iou_type, settings, sorted(chosen))
        else:
            index = engine_detections(truth, numbered, iou_type)
            result = _evaluate_fast(truth, index, iou_type, settings, sorted(chosen))
    else:
        result = _evaluate_fast(truth, found, iou_type, settings, sorted(chosen))
    counts = len(truth.category_names), len(settings.areas(iou_type)), len(settings.limits(iou_type))
    shape = (len(settings.iou_thresholds), *counts)
    curves = (len(settings.iou_thresholds), 101, *counts)
    return CocoMetrics(
        iou_type=iou_type,
        precision=np.asarray(result["precision"]).reshape(curves),
        recall=np.asarray(result["recall"]).reshape(shape),
        scores=np.asarray(result["scores"]).reshape(curves),
        iou_thresholds=np.asarray(settings.iou_thresholds),
        areas=list(settings.areas(iou_type)),
        limits=settings.limits(iou_type),
        categories=list(truth.category_names.values()),
    )


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
    return evaluation.eval


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
    masks: list[Any] = list(found.masks or ())
    index = truth.index.load_res(rows, segmentation=masks)
    areas = np.asarray(hotcoco.mask.area(masks), dtype=np.float64).reshape(-1)
    index.update_anns(ids=np.arange(1, len(found) + 1), area=areas)
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
    return evaluation.eval


def _set_parameters(params: Any, iou_type: str, settings: CocoSettings, image_ids: list[int]) -> None:
    params.imgIds = image_ids
    params.iouThrs = np.asarray(settings.iou_thresholds, dtype=np.float64)
    params.maxDets = settings.limits(iou_type)
    areas = settings.areas(iou_type)
    params.areaRng = [list(limits) for limits in areas.values()]
    params.areaRngLbl = list(areas)
    if iou_type == "keypoints" and len(settings.oks_sigmas):
        params.kpt_oks_sigmas = np.asarray(settings.oks_sigmas, dtype=np.float64)


def _mean(values: np.ndarray) -> float:
    known = values[values > -1]
    return float(known.mean()) if known.size else math.nan
