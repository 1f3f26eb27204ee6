"""COCO metrics and precision-recall curves."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class CocoMetrics:
    """Metrics and curves for T IoU thresholds, R recall levels, K classes, A area ranges and M detection limits.

    The curves take tens of megabytes. They are computed on first use, because the main metrics do not need them if
    hotcoco has computed these already.

    Args:
        iou_type: "bbox", "segm" or "keypoints".
        read_curves: Returns `precision`, `recall` and `scores` by name, with the shapes documented below.
        iou_thresholds: The T thresholds.
        areas: Names of the A area ranges.
        limits: The M detection limits, ascending.
        categories: The K class names.
        precomputed_summary: The metrics of `summary` in [0, 1]. None: compute them from the curves.
        precomputed_per_category: AP of the K classes in [0, 1]. None: compute them from the curves.
    """

    iou_type: str
    read_curves: Callable[[], Mapping[str, np.ndarray]]
    iou_thresholds: np.ndarray
    areas: list[str]
    limits: list[int]
    categories: list[str]
    precomputed_summary: Mapping[str, float] | None = None
    precomputed_per_category: Sequence[float] | None = None

    @cached_property
    def curves(self) -> Mapping[str, np.ndarray]:
        """All curves by name."""
        return self.read_curves()

    @property
    def precision(self) -> np.ndarray:
        """(T, R, K, A, M) precision at each recall level in [0, 1]; -1 for classes without ground truth."""
        return self.curves["precision"]

    @property
    def recall(self) -> np.ndarray:
        """(T, K, A, M) maximum recall in [0, 1]; -1 for classes without ground truth."""
        return self.curves["recall"]

    @property
    def scores(self) -> np.ndarray:
        """(T, R, K, A, M) score at which each recall level is reached."""
        return self.curves["scores"]

    def average_precision(self, *, iou: float | None = None, area: str = "all", category: int | None = None) -> float:
        """Return the mean precision in [0, 1] at the highest detection limit, NaN without ground truth.

        Args:
            iou: One of the IoU thresholds. None: the mean over all.
            area: Name of an area range.
            category: Index of a class. None: the mean over all classes.
        """
        values = self.precision[self._threshold_index(iou), :, :, self.areas.index(area), -1]
        return _mean(values if category is None else values[:, :, category])

    def average_recall(
        self, *, limit: int | None = None, iou: float | None = None, area: str = "all", category: int | None = None
    ) -> float:
        """Return the mean recall in [0, 1], NaN without ground truth.

        Args:
            limit: One of the detection limits. None: the highest.
            iou: One of the IoU thresholds. None: the mean over all.
            area: Name of an area range.
            category: Index of a class. None: the mean over all classes.
        """
        limit_index = -1 if limit is None else self.limits.index(limit)
        values = self.recall[self._threshold_index(iou), :, self.areas.index(area), limit_index]
        return _mean(values if category is None else values[:, category])

    def stats(self) -> list[float]:
        """Return COCO's 12 metrics, 10 for keypoints, in the order that COCO prints: in [0, 1], -1 if undefined."""
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
        """Return metric name to percent: AP, AP50, AP75, AP by size, AR by limit and by size; NaN if undefined."""
        summary = self._summary_of_curves() if self.precomputed_summary is None else self.precomputed_summary
        return {name: 100 * value for name, value in summary.items()}

    def per_category(self) -> dict[str, float]:
        """Return class name to AP in percent, NaN for classes without ground truth."""
        values = self.precomputed_per_category
        if values is None:
            values = [self.average_precision(category=k) for k in range(len(self.categories))]
        return {name: 100 * value for name, value in zip(self.categories, values, strict=True)}

    def _summary_of_curves(self) -> dict[str, float]:
        suffixes = {name: name[0] for name in self.areas if name != "all"}
        summary = {"AP": self.average_precision()}
        for name, iou in (("AP50", 0.5), ("AP75", 0.75)):
            if np.isclose(self.iou_thresholds, iou).any():
                summary[name] = self.average_precision(iou=iou)
        summary |= {f"AP{suffix}": self.average_precision(area=name) for name, suffix in suffixes.items()}
        summary |= {f"AR{limit}": self.average_recall(limit=limit) for limit in self.limits}
        return summary | {f"AR{suffix}": self.average_recall(area=name) for name, suffix in suffixes.items()}

    def _threshold_index(self, iou: float | None) -> slice | np.ndarray:
        return slice(None) if iou is None else np.isclose(self.iou_thresholds, iou)


def _mean(values: np.ndarray) -> float:
    known = values[values > -1]
    return float(known.mean()) if known.size else math.nan
