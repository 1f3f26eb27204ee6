"""What an evaluation gives: COCO's averages of precision and recall, and the curves that they are of."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np


@dataclass(frozen=True)
class CocoMetrics:
    """Curves of precision and the recalls they end in, for T thresholds, R recalls, K classes, A areas, M limits.

    Curves take tens of megabytes and are read when they are first asked for: the main figures do not need them where
    the engine tells them.

    Args:
        iou_type: "bbox", "segm" or "keypoints".
        read_curves: Gives `precision`, `recall` and `scores` by name, of the shapes below.
        iou_thresholds: The T thresholds.
        areas: The A names.
        limits: The M numbers of detections.
        categories: The K names.
        known: What `summary` gives, in [0, 1], where that is known already.
        known_by_category: The APs of the K categories likewise.
    """

    iou_type: str
    read_curves: Callable[[], Mapping[str, np.ndarray]]
    iou_thresholds: np.ndarray
    areas: list[str]
    limits: list[int]
    categories: list[str]
    known: Mapping[str, float] | None = None
    known_by_category: Sequence[float] | None = None

    @cached_property
    def curves(self) -> Mapping[str, np.ndarray]:
        """All curves by name."""
        return self.read_curves()

    @property
    def precision(self) -> np.ndarray:
        """(T, R, K, A, M) in [0, 1], -1 where a class has no ground truth."""
        return self.curves["precision"]

    @property
    def recall(self) -> np.ndarray:
        """(T, K, A, M) in [0, 1], -1 likewise."""
        return self.curves["recall"]

    @property
    def scores(self) -> np.ndarray:
        """(T, R, K, A, M), the score at which each recall is reached."""
        return self.curves["scores"]

    def average_precision(self, *, iou: float | None = None, area: str = "all", category: int | None = None) -> float:
        """Mean precision in [0, 1] at the highest limit; NaN where there is no ground truth for it.

        Args:
            iou: One threshold, or None for the mean over all.
            area: A name of `areas`.
            category: A class's position, or None for the mean over classes.
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
        figures = self._measured_summary() if self.known is None else self.known
        return {name: 100 * value for name, value in figures.items()}

    def _measured_summary(self) -> dict[str, float]:
        sizes = {name: name[0] for name in self.areas if name != "all"}
        figures = {"AP": self.average_precision()}
        for name, iou in (("AP50", 0.5), ("AP75", 0.75)):
            if np.isclose(self.iou_thresholds, iou).any():
                figures[name] = self.average_precision(iou=iou)
        figures |= {f"AP{letter}": self.average_precision(area=name) for name, letter in sizes.items()}
        figures |= {f"AR{limit}": self.average_recall(limit=limit) for limit in self.limits}
        return figures | {f"AR{letter}": self.average_recall(area=name) for name, letter in sizes.items()}

    def per_category(self) -> dict[str, float]:
        """Category name to AP in percent, NaN where a category has no ground truth."""
        values = self.known_by_category
        if values is None:
            values = [self.average_precision(category=k) for k in range(len(self.categories))]
        return {name: 100 * value for name, value in zip(self.categories, values, strict=True)}

    def _threshold(self, iou: float | None) -> Any:
        return slice(None) if iou is None else np.isclose(self.iou_thresholds, iou)


def _mean(values: np.ndarray) -> float:
    known = values[values > -1]
    return float(known.mean()) if known.size else math.nan
