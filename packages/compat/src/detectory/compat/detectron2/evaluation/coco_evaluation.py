"""COCO's evaluation under Detectron2's module path."""

from typing import Any

import numpy as np
from pycocotools.cocoeval import COCOeval

from detectory import evaluation
from detectory.evaluation import instances_to_coco_json

__all__ = ["COCOEvaluator", "COCOevalMaxDets", "instances_to_coco_json"]

_AREAS = ("all", "small", "medium", "large")


class UnknownCategoryError(ValueError, AssertionError):
    """A model predicted a class that the dataset does not have; scripts catch it as either."""


class COCOEvaluator(evaluation.COCOEvaluator):
    """The library's evaluator, whose error for an unknown class is an ``AssertionError`` too."""

    def _to_dataset_ids(self, found: Any) -> Any:
        try:
            return super()._to_dataset_ids(found)
        except ValueError as error:
            raise UnknownCategoryError(str(error)) from error


class COCOevalMaxDets(COCOeval):
    """pycocotools' ``COCOeval`` whose summary takes the average precision at the last of any ``params.maxDets``."""

    def summarize(self) -> None:
        """Fill ``stats`` with COCO's twelve figures of boxes or masks and print them.

        Raises:
            RuntimeError: nothing was accumulated, or the figures are of keypoints.
        """
        if not self.eval:
            raise RuntimeError("COCOevalMaxDets.summarize: run accumulate() first")
        if self.params.iouType == "keypoints":
            raise RuntimeError("COCOevalMaxDets.summarize: keypoints have one limit, use pycocotools' COCOeval")
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


def _mean_known(values: np.ndarray) -> float:
    """The mean of what is known; -1, as COCO writes it, where nothing is."""
    known = values[values > -1]
    return float(known.mean()) if known.size else -1.0
